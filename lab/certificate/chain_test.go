package certificate_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

// link is a certificate with its key, made without package pki, which makes no deep or wrong chains.
type link struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// sign returns a certificate that the link has signed; itself, if the link is nil. change may change what is signed.
func (l *link) sign(t *testing.T, name string, change func(*x509.Certificate)) *link {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(240 * time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	change(template)
	parent, signer := template, crypto.Signer(key)
	if l != nil {
		parent, signer = l.cert, l.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &link{cert, key}
}

// isCA makes the template an authority's.
func isCA(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

// isServer makes the template that of a server of region global.
func isServer(c *x509.Certificate) {
	c.DNSNames = []string{"server.global.nomad", "localhost"}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

// keyPEM returns the link's private key.
func (l *link) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(l.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// pemOf returns the links' certificates.
func pemOf(links ...*link) []byte {
	var all []*x509.Certificate
	for _, l := range links {
		all = append(all, l.cert)
	}
	return pki.EncodeCertificates(all)
}

// chainCase is a chain, and what is to be said of it where one authority is trusted. The problem of a sound one is empty.
type chainCase struct {
	name, problem, says string
	trusted             *link
	chain               []*link
}

// chainCases returns right and wrong chains, each wrong one beside the same put right.
func chainCases(t *testing.T) []chainCase {
	t.Helper()
	var none *link
	root := none.sign(t, "root", isCA)
	upper := root.sign(t, "upper", isCA)
	lower := upper.sign(t, "lower", isCA)
	leaf := lower.sign(t, "leaf", isServer)
	foreign := none.sign(t, "foreign root", isCA)
	namesake := none.sign(t, "root", isCA)
	shallow := none.sign(t, "shallow root", func(c *x509.Certificate) { isCA(c); c.MaxPathLen = 1 })
	first := shallow.sign(t, "first", isCA)
	second := first.sign(t, "second", isCA)
	confined := none.sign(t, "confined root", func(c *x509.Certificate) {
		isCA(c)
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"nomad", "localhost"}, true
	})
	old := none.sign(t, "old root", func(c *x509.Certificate) { isCA(c); c.NotAfter = time.Now().Add(-time.Minute) })
	noAuthority := root.sign(t, "no authority", func(*x509.Certificate) {})
	mail := root.sign(t, "mail", func(c *x509.Certificate) {
		isCA(c)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	})
	beyond := func(c *x509.Certificate) { isServer(c); c.DNSNames = append(c.DNSNames, "elsewhere.example") }
	return []chainCase{
		{"sent whole", "", "", root, []*link{leaf, lower, upper}},
		{"trust in an intermediate", "", "", lower, []*link{leaf}},
		{"one missing", "issuer-missing", "CN=upper", root, []*link{leaf, lower}},
		{"all missing", "issuer-missing", "CN=lower", root, []*link{leaf}},
		{"foreign root sent along", "foreign", "CN=foreign root", root, []*link{foreign.sign(t, "leaf", isServer), foreign}},
		{"another authority of that name", "other-authority-of-that-name", "CN=root", root, []*link{namesake.sign(t, "leaf", isServer)}},
		{"a path that is permitted", "", "", shallow, []*link{first.sign(t, "leaf", isServer), first}},
		{"a path that is too long", "path-too-long", "path length", shallow, []*link{second.sign(t, "leaf", isServer), second, first}},
		{"names within constraints", "", "", confined, []*link{confined.sign(t, "leaf", isServer)}},
		{"a name beyond constraints", "outside-constraints", "elsewhere.example", confined, []*link{confined.sign(t, "leaf", beyond)}},
		{"an authority that is over", "issuer-not-valid", "CN=old root", old, []*link{old.sign(t, "leaf", isServer)}},
		{"an issuer that is no authority", "issuer-may-not-sign", "CN=no authority", root, []*link{noAuthority.sign(t, "leaf", isServer), noAuthority}},
		{"an issuer for mail", "issuer-not-for-callers", "purposes", root, []*link{mail.sign(t, "leaf", isServer), mail}},
	}
}

// TestChains: a chain is judged as crypto/x509, and so Nomad, judges it, with the reason in words.
func TestChains(t *testing.T) {
	for _, test := range chainCases(t) {
		t.Run(test.name, func(t *testing.T) {
			r := certificate.Judge([]certificate.Input{decode(t, "it.pem", pemOf(test.chain...))}, certificate.Options{Now: time.Now(), Trusted: []*x509.Certificate{test.trusted.cert}})
			c := r.Places[0].Certificates[0]
			complete(t, c.Problems)
			switch sound := test.problem == ""; {
			case sound && (r.Problems() > 0 || c.Chain.State != certificate.Complete || len(c.Opens) == 0):
				t.Errorf("%+v", c)
			case !sound && (!slices.Equal(ids(c.Problems), []string{test.problem}) || len(c.Opens) > 0):
				t.Errorf("problems %+v, opens %v, want %s", c.Problems, c.Opens, test.problem)
			case !sound && !strings.Contains(c.Problems[0].What, test.says):
				t.Errorf("%q does not say %q", c.Problems[0].What, test.says)
			}
			if isMissing := test.problem == "issuer-missing"; isMissing != (c.Chain.Missing != "") {
				t.Errorf("the missing issuer is %q", c.Chain.Missing)
			}
		})
	}
}

// orderCase is a file's certificates in an order, and what is to be said of it. The problem of the right order is empty.
type orderCase struct {
	name    string
	chain   []*link
	problem string
}

// orderCases returns files with a leaf, and the root to which it leads.
func orderCases(t *testing.T) (cases []orderCase, root *link) {
	t.Helper()
	var none *link
	root = none.sign(t, "root of orders", isCA)
	upper := root.sign(t, "upper", isCA)
	lower := upper.sign(t, "lower", isCA)
	leaf, other := lower.sign(t, "leaf", isServer), root.sign(t, "other", isServer)
	return []orderCase{
		{"right order", []*link{leaf, lower, upper}, ""},
		{"with the root", []*link{leaf, lower, upper, root}, ""},
		{"wrong order", []*link{leaf, upper, lower}, "chain-order"},
		{"leaf not first", []*link{lower, leaf, upper}, "leaf-not-first"},
		{"two leaves", []*link{leaf, lower, upper, other}, "several-holders"},
		{"one that is not of it", []*link{leaf, lower, upper, none.sign(t, "stray", isCA)}, "unrelated-certificate"},
	}, root
}

// TestOrderOfAFile: the order of certificates in a file is judged, beside the right order.
func TestOrderOfAFile(t *testing.T) {
	cases, root := orderCases(t)
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			r := certificate.Judge([]certificate.Input{decode(t, "it.pem", pemOf(test.chain...))}, certificate.Options{Now: time.Now(), Trusted: []*x509.Certificate{root.cert}})
			complete(t, r.Places[0].Problems)
			if got := strings.Join(ids(r.Places[0].Problems), " "); got != test.problem {
				t.Errorf("problems %q, want %q", got, test.problem)
			}
			if c := r.Places[0].Certificates[0]; slices.Contains([]string{"with the root", "one that is not of it"}, test.name) != (len(c.Notes) > 0) {
				t.Errorf("notes %q", c.Notes)
			} else if open := len(certificate.OpenIn(c.Opens, "global")); len(c.Problems) > 0 || open != map[bool]int{true: 0, false: len(certificate.Endpoints())}[test.problem == "leaf-not-first"] {
				t.Errorf("Go accepts the chain in any order, but for the holder's own certificate, and it is said: %+v", c)
			}
		})
	}
}

// TestMissingIntermediateNearby: if the intermediate authority's certificate was read elsewhere, the remedy names its file; if it
// leads to another root, the certificate is foreign.
func TestMissingIntermediateNearby(t *testing.T) {
	var none *link
	root, foreignRoot := none.sign(t, "root", isCA), none.sign(t, "foreign root", isCA)
	for name, test := range map[string]struct {
		above   *link
		problem string
	}{"of the root": {root, "intermediate-missing"}, "of another root": {foreignRoot, "foreign"}} {
		between := test.above.sign(t, "between", isCA)
		r := certificate.Judge([]certificate.Input{
			decode(t, "server.pem", pemOf(between.sign(t, "leaf", isServer))), decode(t, "between.pem", pemOf(between)), decode(t, "ca.pem", pemOf(root)),
		}, certificate.Options{Now: time.Now()})
		if !slices.Equal(r.Trusted, []string{"CN=root"}) {
			t.Errorf("%s: trusted are %q", name, r.Trusted)
		}
		got := r.Places[0].Certificates[0].Problems
		if !slices.Equal(ids(got), []string{test.problem}) {
			t.Fatalf("%s: %+v", name, got)
		}
		if test.problem == "intermediate-missing" && !strings.Contains(got[0].Remedy, "between.pem") {
			t.Errorf("%q names no file", got[0].Remedy)
		}
	}
}

// TestOldSignature: a certificate that is signed with SHA-1 is refused whatever is trusted; the same with SHA-256 is the control.
func TestOldSignature(t *testing.T) {
	var none *link
	root := none.sign(t, "root", isCA)
	folder := t.TempDir()
	for name, text := range map[string][]byte{"ca": pemOf(root), "key": root.keyPEM(t)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for hash, want := range map[string]string{"sha1": "old-signature", "sha256": ""} {
		run := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own",
			"-subj", "/CN=leaf", "-addext", "subjectAltName=DNS:server.global.nomad,DNS:localhost", "-addext", "extendedKeyUsage=serverAuth,clientAuth",
			"-addext", "basicConstraints=critical,CA:FALSE", "-days", "5", "-CA", "ca", "-CAkey", "key", "-"+hash, "-out", "out")
		run.Dir = folder
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(folder, "out"))
		if err != nil {
			t.Fatal(err)
		}
		c := judged(t, certificate.Options{Now: time.Now(), Trusted: []*x509.Certificate{root.cert}}, text)
		if got := strings.Join(ids(c.Problems), " "); got != want {
			t.Errorf("%s: problems %q, want %q", hash, got, want)
		}
	}
}

// TestTrustUnknown: without an authority nothing is said of trust, and what the names open is said under that condition.
func TestTrustUnknown(t *testing.T) {
	a := authority(t, pki.Options{CommonName: "some CA"})
	c := judged(t, certificate.Options{Now: time.Now()}, issue(t, a, pki.Identity{Role: pki.Client}, pki.Defect{}).CertPEM)
	if c.Chain.State != certificate.TrustUnknown || c.Chain.Missing != "CN=some CA" || len(c.Problems) > 0 {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(c.OpensText(), "RPC of global") || !strings.Contains(c.OpensText(), "at agents that trust its issuer") {
		t.Errorf("%q", c.OpensText())
	}
}

// TestAuthorities: an authority is judged as one, and its constraints are read.
func TestAuthorities(t *testing.T) {
	var none *link
	root := none.sign(t, "root", isCA)
	for name, test := range map[string]struct {
		change  func(*x509.Certificate)
		problem string
	}{
		"sound":                 {isCA, ""},
		"confined to Nomad":     {func(c *x509.Certificate) { isCA(c); c.PermittedDNSDomains = []string{"nomad", "lab.test"} }, ""},
		"confined to a region":  {func(c *x509.Certificate) { isCA(c); c.PermittedDNSDomains = []string{"global.nomad"} }, ""},
		"confined to others":    {func(c *x509.Certificate) { isCA(c); c.PermittedDNSDomains = []string{"lab.test"} }, "constraints-exclude-nomad"},
		"Nomad excluded":        {func(c *x509.Certificate) { isCA(c); c.ExcludedDNSDomains = []string{"nomad"} }, "constraints-exclude-nomad"},
		"without the key usage": {func(c *x509.Certificate) { isCA(c); c.KeyUsage = x509.KeyUsageDigitalSignature }, "may-not-sign"},
		"over":                  {func(c *x509.Certificate) { isCA(c); c.NotAfter = time.Now().Add(-time.Minute) }, "expired"},
		"over soon":             {func(c *x509.Certificate) { isCA(c); c.NotAfter = time.Now().Add(time.Hour) }, "ends-soon"},
		"not begun":             {func(c *x509.Certificate) { isCA(c); c.NotBefore = time.Now().Add(time.Hour) }, "not-yet-valid"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, a := range []*link{none.sign(t, "it", test.change), root.sign(t, "it", test.change)} {
				c := judged(t, certificate.Options{Now: time.Now(), Trusted: []*x509.Certificate{a.cert, root.cert}}, pemOf(a))
				complete(t, c.Problems)
				if got := strings.Join(ids(c.Problems), " "); got != test.problem || c.Kind != certificate.Authority {
					t.Errorf("%s: problems %q, want %q", c.Kind, got, test.problem)
				}
			}
		})
	}
	bundle := judgedAll(t, pemOf(root, none.sign(t, "another root", isCA)))
	if len(bundle) != 2 || bundle[0].Title() != "authority, a root" {
		t.Errorf("a bundle of two is %+v", bundle)
	}
}

func judgedAll(t *testing.T, texts ...[]byte) []certificate.Certificate {
	t.Helper()
	return certificate.Judge([]certificate.Input{decode(t, "it.pem", bytes.Join(texts, nil))}, certificate.Options{Now: time.Now()}).Places[0].Certificates
}

// TestOrderOfAPFX: the authorities of a PKCS#12 file, which have no order there, come out in the order of signing.
func TestOrderOfAPFX(t *testing.T) {
	var none *link
	root := none.sign(t, "root", isCA)
	upper := root.sign(t, "upper", isCA)
	lower := upper.sign(t, "lower", isCA)
	leaf := lower.sign(t, "leaf", isServer)
	text, err := pkcs12.Modern.Encode(leaf.key, leaf.cert, []*x509.Certificate{root.cert, upper.cert, lower.cert}, "x")
	if err != nil {
		t.Fatal(err)
	}
	i, err := certificate.Decode(text, "it.pfx", "x")
	if err != nil {
		t.Fatal(err)
	}
	if got := pki.EncodeCertificates(i.Certificates); !bytes.Equal(got, pemOf(leaf, lower, upper, root)) {
		t.Errorf("%d certificates in another order", len(i.Certificates))
	}
}
