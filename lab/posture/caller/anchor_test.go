package caller_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
)

// below returns a root, and a cluster's authority below it.
func below(t *testing.T) (root, signing *pki.Authority) {
	t.Helper()
	root = authority(t, pki.Options{CommonName: "root", Intermediates: 2})
	signing, err := root.NewIntermediate(pki.Options{CommonName: "signing", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	return root, signing
}

func certificates(t *testing.T, text []byte) []*x509.Certificate {
	t.Helper()
	certs, err := pki.DecodeCertificates(text)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

// renewed returns a later certificate of the same authority: of its name and key.
func renewed(t *testing.T, a *pki.Authority) *x509.Certificate {
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
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	later := *certificates(t, a.CertificatePEM())[0]
	later.SerialNumber = new(big.Int).Add(later.SerialNumber, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, &later, &later, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWhoLetsInWhat: whether an agent lets in IssuedByRoot and IssuerMissing depends on its bundle, and no other kind does.
func TestWhoLetsInWhat(t *testing.T) {
	root, signing := below(t)
	callers := mint(t, signing, "", caller.WithRoot(root))
	rootOnly, signingOnly := certificates(t, root.CertificatePEM()), certificates(t, signing.CertificatePEM())
	for name, test := range map[string]struct {
		bundle []*x509.Certificate
		out    []caller.Kind
	}{
		"the root":            {rootOnly, []caller.Kind{caller.IssuerMissing}},
		"what signing trusts": {nil, []caller.Kind{caller.IssuerMissing}},
		"the intermediate":    {signingOnly, []caller.Kind{caller.IssuedByRoot}},
		"the root, renewed":   {[]*x509.Certificate{renewed(t, root)}, []caller.Kind{caller.IssuerMissing}},
		"both":                {slices.Concat(rootOnly, signingOnly), nil},
	} {
		for _, k := range caller.Kinds() {
			in, anchor := callers.LetIn(k, test.bundle)
			if in == slices.Contains(test.out, k) {
				t.Errorf("an agent that trusts %s lets in %s: %t", name, k, in)
			}
			if want := map[caller.Kind]*x509.Certificate{caller.IssuedByRoot: rootOnly[0], caller.IssuerMissing: signingOnly[0]}[k]; !want.Equal(anchor) {
				t.Errorf("%s rests on %v", k, anchor)
			}
			if test.bundle == nil || k != caller.IssuedByRoot && k != caller.IssuerMissing {
				continue
			}
			c, missing := callers.Caller(k)
			if missing != "" {
				t.Fatal(missing)
			}
			if accepted := trusts(test.bundle, shown(t, signing, c)); accepted != in {
				t.Errorf("an agent that trusts %s lets in %s: %t, and crypto/x509 does: %t", name, k, in, accepted)
			}
		}
	}
}

// trusts reports whether crypto/x509 accepts the certificates where the bundle is trusted.
func trusts(bundle, chain []*x509.Certificate) bool {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range bundle {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// TestARootThatIsAway: without the root's key, what it would issue is missing. The authority of most labs is itself the root.
func TestARootThatIsAway(t *testing.T) {
	_, signing := below(t)
	if _, missing := mint(t, signing, "").Caller(caller.IssuedByRoot); !strings.Contains(missing, "the key of the root above it is not at hand") {
		t.Errorf("it lacks %q", missing)
	}
	if _, missing := mint(t, capable(t), "").Caller(caller.IssuedByRoot); missing != "" {
		t.Errorf("of a root, it lacks %q", missing)
	}
}
