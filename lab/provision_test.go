package lab_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// provisioned is the lab with every kind of node.
func provisioned(t *testing.T) (plan.Plan, lab.Provisioned) {
	t.Helper()
	p := mustPlan(t, everyKindOfNode())
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
	if made.LabGossip == made.OtherGossip || len(made.LabGossip) != 44 {
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
		"hardened":         {introducedInEveryWay(), "client-1 late namesake"},
		"not bootstrapped": {small().With(spec.Hardened(), spec.NotBootstrapped()), ""},
		"joiners":          {everyKindOfNode(), ""},
	} {
		p, want := mustPlan(t, c.spec), c.want
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

// TestFilesAreTheNodesAlone: its user owns them, nobody else may look.
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
