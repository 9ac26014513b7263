package lab_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// TestFilesOfAUserConfigurationAreWhole: the nodes get the secrets that the plan does not show.
func TestFilesOfAUserConfigurationAreWhole(t *testing.T) {
	p := spectest.Plan(t, spectest.UserConfiguration(""))
	made, err := lab.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	whole := false
	for _, f := range made.Files["server-1"] {
		whole = whole || strings.Contains(string(f.Data), spectest.GossipSecret)
		if f.Mode&fs.ModeDir == 0 && f.Mode.Perm() != 0o600 {
			t.Errorf("%s has mode %s", f.Path, f.Mode)
		}
	}
	if !whole {
		t.Error("server-1 does not get the key")
	}
}

// TestCertificateAndKeyInOneFile: a certificate and its key may stand in one file, as many agents have them.
func TestCertificateAndKeyInOneFile(t *testing.T) {
	spec := spectest.UserConfiguration("")
	file := &spec.Configuration.Server.Files[0]
	*file = agentconf.NewFile(file.Name(), bytes.ReplaceAll(file.Text(), []byte("agent-key.pem"), []byte("agent.pem")))
	made, err := lab.Provision(spectest.Plan(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	var found [][]byte
	for _, f := range made.Files["server-1"] {
		if strings.HasSuffix(f.Path, "/agent.pem") {
			found = append(found, f.Data)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d files of that path", len(found))
	}
	if _, err := tls.X509KeyPair(found[0], found[0]); err != nil {
		t.Error(err)
	}
}

// TestSuitesForRSAKeysHaveRSAKeys: with cipher suites only for RSA keys, agents get such a key; otherwise none would start.
func TestSuitesForRSAKeysHaveRSAKeys(t *testing.T) {
	for suites, want := range map[string]bool{
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":                                         true,
		"TLS_RSA_WITH_AES_128_GCM_SHA256":                                               true,
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": false,
		"": false,
	} {
		spec := spectest.UserConfiguration("")
		server := &spec.Configuration.Server
		server.Files = append(server.Files, agentconf.NewFile("mine/suites.hcl", []byte("tls { tls_cipher_suites = \""+suites+"\" }\n")))
		made, err := lab.Provision(spectest.Plan(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		var cert, key []byte
		for _, f := range made.Files["server-1"] {
			switch {
			case strings.HasSuffix(f.Path, "/agent.pem"):
				cert = f.Data
			case strings.HasSuffix(f.Path, "/agent-key.pem"):
				key = f.Data
			}
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, is := pair.PrivateKey.(*rsa.PrivateKey); is != want {
			t.Errorf("%q: an RSA key: %t, want %t", suites, is, want)
		}
	}
}

// TestEveryDefectIsInTheCertificates of its role, and in no other.
func TestEveryDefectIsInTheCertificates(t *testing.T) {
	for _, defect := range append(pki.Defects(), pki.Defect{}) {
		wanted := spec.Spec{}.With(spec.Servers(1), spec.Clients(1))
		if defect != (pki.Defect{}) {
			wanted = wanted.With(spec.DefectiveCertificates(pki.Client, defect))
		}
		p := spectest.Plan(t, wanted)
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatalf("%s: %v", defect, err)
		}
		for _, n := range p.Nodes {
			want := ""
			if n.Role == pki.Client && defect != (pki.Defect{}) {
				want = defect.Name()
			}
			c := pki.Credential{Identity: n.Identity, CertPEM: dataOf(t, made.Files[n.Name], n.Identity.CertFile()), CAPEM: made.Authority.CertificatePEM()}
			if got := chainDefectIn(t, c); got != "" {
				if got != want || n.Defect != want {
					t.Errorf("%s: %s is to have %q and has %q", defect, n.Name, n.Defect, got)
				}
				continue
			}
			if got := defectIn(c.Describe(), bytes.Count(c.CertPEM, []byte("BEGIN"))); n.Defect != want || got != want {
				t.Errorf("%s: %s is to have %q and has %q:\n%s", defect, n.Name, n.Defect, got, c.Describe())
			}
		}
	}
}

// chainDefectIn reads which defect the certificates above a leaf, or their order, have. Empty: none, or one that defectIn reads.
func chainDefectIn(t *testing.T, c pki.Credential) string {
	t.Helper()
	chain, err := c.Chain()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, sent := range chain {
		names = append(names, sent.Subject.CommonName)
	}
	last := chain[len(chain)-1]
	switch {
	case len(chain) == 1:
		return ""
	case chain[0].IsCA:
		return "leaf-not-first"
	case slices.Contains(names, "Intermediate CA too many"):
		return "path-length-exceeded"
	case last.Subject.CommonName == "Cross-signed CA" && pki.Signed(last, last):
		return "cross-signature-missing"
	case last.Subject.CommonName == "Cross-signed CA":
		return "cross-signed"
	case len(chain) == 3:
		return "chain-reversed"
	case slices.Contains(chain[0].DNSNames, "outside-constraints.invalid"):
		return "outside-constraints"
	case len(last.PermittedDNSDomains) > 0:
		return "inside-constraints"
	}
	return ""
}

// defectIn reads which defect a certificate has that was issued just now, and that is presented with so many in all.
func defectIn(words string, presented int) string {
	said := map[string]string{}
	for line := range strings.Lines(words) {
		label, value, _ := strings.Cut(line, "  ")
		said[label] = strings.TrimSpace(value)
	}
	begin, end, _ := strings.Cut(said["valid"], " to ")
	from, _ := time.Parse(time.RFC3339, begin)
	until, _ := time.Parse(time.RFC3339, end)
	left := time.Until(until)
	for _, c := range []struct {
		name string
		is   bool
	}{
		{"foreign", said["issuer"] == "CN=Foreign CA"},
		{"self-signed", said["issuer"] == said["subject"]},
		{"intermediate-sent", said["issuer"] == "CN=Intermediate CA" && presented == 2},
		{"intermediate-missing", said["issuer"] == "CN=Intermediate CA"},
		{"expired", left < 0},
		{"not-yet-valid", time.Until(from) > 0},
		{"nearly-expired", left < 3*time.Hour},
		{"long-lived", left > 9*365*24*time.Hour},
		{"no-eku", strings.HasPrefix(said["purposes"], "not limited")},
		{"server-auth-only", said["purposes"] == "server authentication"},
		{"client-auth-only", said["purposes"] == "client authentication"},
		{"code-signing-only", said["purposes"] == "code signing"},
		{"weak-key", strings.HasPrefix(said["key"], "RSA of 1024 bits")},
		{"ed25519", strings.HasPrefix(said["key"], "Ed25519")},
		{"can-sign", said["authority"] != ""},
		{"role-alone", said["IP addresses"] == "none"},
	} {
		if c.is {
			return c.name
		}
	}
	return ""
}

// TestOnlySomeTrustTheForeignAuthority, whose key no node has.
func TestOnlySomeTrustTheForeignAuthority(t *testing.T) {
	for _, role := range []pki.Role{pki.Server, pki.Client, ""} {
		wanted := spec.Spec{}.With(spec.Servers(1), spec.Clients(1))
		if role != "" {
			wanted = wanted.With(spec.TrustForeign(role))
		}
		p := spectest.Plan(t, wanted)
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatal(err)
		}
		if (made.Foreign == nil) != (role == "") {
			t.Fatalf("trusted by %q: %v", role, made.Foreign)
		}
		for _, n := range p.Nodes {
			want := made.Authority.CertificatePEM()
			if n.Role == role {
				want = slices.Concat(want, made.Foreign.CertificatePEM())
			}
			if got := dataOf(t, made.Files[n.Name], pki.CAFile); !bytes.Equal(got, want) {
				t.Errorf("trusted by %q: %s trusts %d bytes, want %d", role, n.Name, len(got), len(want))
			}
			if keys := privateKeys(made.Files[n.Name]); len(keys) != 1 {
				t.Errorf("%s has %d keys", n.Name, len(keys))
			}
		}
	}
}

// TestOneNodesCertificate: further names, a defect and a foreign authority that are said of one node are that node's alone.
func TestOneNodesCertificate(t *testing.T) {
	for _, node := range []string{"server-2", "client-1", ""} {
		wanted := spec.Spec{}.With(spec.Servers(3), spec.Clients(2))
		if node != "" {
			role := pki.Role(node[:len("server")])
			wanted.Certificates = spec.Certificates{
				Names:        []spec.ExtraNames{{Node: node, DNSNames: []string{"further.example"}}},
				Defects:      []spec.CertificateDefect{{Node: node, Defect: pki.WeakKey().Name()}},
				TrustForeign: []spec.ForeignTrust{{Role: role, Node: node}},
			}
		}
		p := spectest.Plan(t, wanted)
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			own := n.Name == node
			c := pki.Credential{Identity: n.Identity, CertPEM: dataOf(t, made.Files[n.Name], n.Identity.CertFile()), CAPEM: made.Authority.CertificatePEM()}
			words := c.Describe()
			if named := strings.Contains(words, "further.example"); named != own {
				t.Errorf("of %q: that the certificate of %s has the name is %v:\n%s", node, n.Name, named, words)
			}
			if defective := defectIn(words, 1) == pki.WeakKey().Name(); defective != own {
				t.Errorf("of %q: that the certificate of %s has the defect is %v:\n%s", node, n.Name, defective, words)
			}
			want := made.Authority.CertificatePEM()
			if own {
				want = slices.Concat(want, made.Foreign.CertificatePEM())
			}
			if got := dataOf(t, made.Files[n.Name], pki.CAFile); !bytes.Equal(got, want) {
				t.Errorf("of %q: %s trusts %d bytes, want %d", node, n.Name, len(got), len(want))
			}
		}
	}
}

// TestTwoDefectsOnTwoNodes: each node has its own, and all others have none.
func TestTwoDefectsOnTwoNodes(t *testing.T) {
	defects := map[string]string{"client-1": pki.NoEKU().Name(), "client-2": pki.WeakKey().Name()}
	wanted := spec.Spec{}.With(spec.Servers(1), spec.Clients(3))
	for node, defect := range defects {
		wanted.Certificates.Defects = append(wanted.Certificates.Defects, spec.CertificateDefect{Role: pki.Client, Node: node, Defect: defect})
	}
	p := spectest.Plan(t, wanted)
	made, err := lab.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		c := pki.Credential{Identity: n.Identity, CertPEM: dataOf(t, made.Files[n.Name], n.Identity.CertFile()), CAPEM: made.Authority.CertificatePEM()}
		if got := defectIn(c.Describe(), 1); n.Defect != defects[n.Name] || got != defects[n.Name] {
			t.Errorf("%s is to have %q and has %q:\n%s", n.Name, defects[n.Name], got, c.Describe())
		}
	}
}

// provisioned is the lab with every kind of node.
func provisioned(t *testing.T) (plan.Plan, lab.Provisioned) {
	t.Helper()
	p := spectest.Plan(t, spectest.EveryExtraNode())
	made, err := lab.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, made
}

// privateKeys are the keys in the node's files, however named.
func privateKeys(files []engine.File) [][]byte {
	var out [][]byte
	for _, f := range files {
		for rest := f.Data; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if strings.Contains(block.Type, "PRIVATE KEY") {
				out = append(out, block.Bytes)
			}
		}
	}
	return out
}

func dataOf(t *testing.T, files []engine.File, name string) []byte {
	t.Helper()
	i := slices.IndexFunc(files, func(f engine.File) bool { return filepath.Base(f.Path) == name })
	if i < 0 {
		t.Fatalf("no file %s", name)
	}
	return files[i].Data
}

// authorityKey is the lab's CA key as it would look in a file.
func authorityKey(t *testing.T, a *pki.Authority) []byte {
	t.Helper()
	folder := t.TempDir()
	if err := a.Save(folder); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, pki.CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no CA key to compare with")
	}
	return block.Bytes
}

// TestEveryNodeHasItsOwnKeyAlone: no node has the CA's key, nor any other node's.
func TestEveryNodeHasItsOwnKeyAlone(t *testing.T) {
	p, made := provisioned(t)
	owners := map[string]string{string(authorityKey(t, made.Authority)): "the CA"}
	for _, n := range p.Nodes {
		files := made.Files[n.Name]
		keys := privateKeys(files)
		if len(keys) != 1 {
			t.Fatalf("%s has %d private keys, want one", n.Name, len(keys))
		}
		if owner, taken := owners[string(keys[0])]; taken {
			t.Errorf("%s has the key of %s", n.Name, owner)
		}
		owners[string(keys[0])] = n.Name
		c := pki.Credential{
			Identity: n.Identity,
			CertPEM:  dataOf(t, files, n.Identity.CertFile()), KeyPEM: dataOf(t, files, n.Identity.KeyFile()), CAPEM: dataOf(t, files, pki.CAFile),
		}
		verify(t, n, c)
	}
}

// verify demands that certificate and key belong together, and that the CA's certificate in the node signed it for the
// node's identity and address.
func verify(t *testing.T, n plan.Node, c pki.Credential) {
	t.Helper()
	if _, err := c.TLSCertificate(); err != nil {
		t.Errorf("%s: %v", n.Name, err)
	}
	leaf, err := c.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	roots, err := c.Pool()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{n.Identity.Name(), n.Name, n.Address.String()} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s as %s: %v", n.Name, name, err)
		}
	}
	if leaf.IsCA {
		t.Errorf("%s has the certificate of an authority", n.Name)
	}
}

// TestGossipKeysGoWhereThePlanSays: to servers alone, and to each the one that it is to have.
func TestGossipKeysGoWhereThePlanSays(t *testing.T) {
	p, made := provisioned(t)
	// As lab/plan looks for them, where none must be (TestPlanHoldsNoSecret).
	form := regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`)
	if made.LabGossip == made.OtherGossip || !form.MatchString(made.LabGossip) || !form.MatchString(made.OtherGossip) {
		t.Fatalf("the gossip keys are %d and %d characters long, equal: %v", len(made.LabGossip), len(made.OtherGossip), made.LabGossip == made.OtherGossip)
	}
	for _, n := range p.Nodes {
		want := map[string]bool{made.LabGossip: false, made.OtherGossip: false}
		if n.Role == pki.Server {
			want[made.LabGossip], want[made.OtherGossip] = n.Gossip == spec.LabKey, n.Gossip == spec.OtherKey
		}
		for key, wanted := range want {
			has := slices.ContainsFunc(made.Files[n.Name], func(f engine.File) bool { return bytes.Contains(f.Data, []byte(key)) })
			if has != wanted {
				t.Errorf("%s has the lab's gossip key (%v): %v, want %v", n.Name, key == made.LabGossip, has, wanted)
			}
		}
	}
}

// TestIntroductionTokensGoToTheirClientAlone, and to none that is to have none.
func TestIntroductionTokensGoToTheirClientAlone(t *testing.T) {
	for name, c := range map[string]struct {
		spec spec.Spec
		want string
	}{
		"hardened":         {spectest.EveryIntroduction(), "client-1 late namesake"},
		"not bootstrapped": {spectest.Small().With(spec.Hardened(), spec.NotBootstrapped()), ""},
		"extra-nodes":      {spectest.EveryExtraNode(), ""},
	} {
		p, want := spectest.Plan(t, c.spec), c.want
		made, err := lab.Provision(p)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, n := range p.Nodes {
			for _, f := range made.Files[n.Name] {
				if !bytes.Contains(f.Data, []byte("introduction of ")) {
					continue
				}
				have = append(have, n.Name)
				if string(f.Data) != "introduction of "+n.Name || f.Path != "/nomad/data/client/intro_token.jwt" || f.Mode != 0o600 || f.Owner != n.User {
					t.Errorf("%s:%s, mode %s, owner %d: %s", n.Name, f.Path, f.Mode, f.Owner, f.Data)
				}
			}
		}
		if got := strings.Join(have, " "); got != want {
			t.Errorf("%s: introduced are %q, want %q", name, got, want)
		}
	}
}

// TestFilesAreTheNodesAlone: only the user of the node may read them.
func TestFilesAreTheNodesAlone(t *testing.T) {
	p, made := provisioned(t)
	for _, n := range p.Nodes {
		for _, f := range made.Files[n.Name] {
			want := fs.FileMode(0o600)
			if f.Mode.IsDir() {
				want = fs.ModeDir | 0o700
			}
			if f.Mode != want || f.Owner != n.User || f.Owner == 0 {
				t.Errorf("%s:%s has mode %s and owner %d, want %s and %d", n.Name, f.Path, f.Mode, f.Owner, want, n.User)
			}
			if f.Mode.IsDir() != (len(f.Data) == 0) {
				t.Errorf("%s:%s has %d bytes", n.Name, f.Path, len(f.Data))
			}
		}
	}
}

func TestEveryLabHasSecretsOfItsOwn(t *testing.T) {
	_, first := provisioned(t)
	_, second := provisioned(t)
	if bytes.Equal(authorityKey(t, first.Authority), authorityKey(t, second.Authority)) || first.LabGossip == second.LabGossip {
		t.Error("two labs share a secret")
	}
}
