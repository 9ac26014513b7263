package tlsfile_test

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/tlsfile"
	"nomadlab.internal/lab/pki"
)

// TestWhy: each reason for which a peer does not accept a certificate has its words and its remedy, and a sound one has none.
func TestWhy(t *testing.T) {
	t.Parallel()
	server := pki.Identity{Role: pki.Server}
	authority := func(o pki.Options) *pki.Authority {
		a, err := pki.NewAuthority(o)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	root := authority(pki.Options{CommonName: "Root CA", Intermediates: 1, TTL: 60 * 24 * time.Hour, PermittedDNS: []string{"nomad", "localhost"}})
	for name, test := range map[string]struct {
		defect      pki.Defect
		found, mend string
	}{
		"sound":                {},
		"intermediate sent":    {defect: pki.IntermediateSent()},
		"intermediate missing": {pki.IntermediateMissing(), "is missing", "into the bundle, or behind the certificate in the file"},
		"foreign":              {pki.Foreign(), "its issuer CN=Foreign CA is missing", "into the bundle"},
		"self-signed":          {pki.SelfSigned(), "signed with its own key", "an authority of the bundle"},
		"expired":              {pki.Expired(), "is valid from", "have a new one issued"},
		"not yet valid":        {pki.NotYetValid(), "is valid from", "have a new one issued"},
		"for listeners":        {pki.ServerAuthOnly(), "extended key usage", "TLS server and client authentication"},
		"outside constraints":  {pki.OutsideConstraints(), "the name constraints of CN=Root CA forbid", "permit the domain nomad"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := root.IssueDefective(server, test.defect)
			if err != nil {
				t.Fatal(err)
			}
			certs, err := c.Chain()
			if err != nil {
				t.Fatal(err)
			}
			authorities, err := c.Authorities()
			if err != nil {
				t.Fatal(err)
			}
			chain := tlsfile.Chain{Certificates: certs, Path: "the file", Authorities: authorities, Bundle: "the bundle"}
			err = chain.Verify(x509.ExtKeyUsageClientAuth, "")
			if (err == nil) != (test.found == "") {
				t.Fatalf("verified: %v", err)
			}
			if err == nil {
				return
			}
			found, mend, ok := chain.Why(err)
			if !ok || !strings.Contains(found, test.found) || !strings.Contains(mend, test.mend) {
				t.Errorf("%v: %q, %q, %t", err, found, mend, ok)
			}
		})
	}
	t.Run("another name", func(t *testing.T) {
		t.Parallel()
		c, err := root.Issue(server)
		if err != nil {
			t.Fatal(err)
		}
		certs, _ := c.Chain()
		authorities, _ := c.Authorities()
		chain := tlsfile.Chain{Certificates: certs, Authorities: authorities}
		err = chain.Verify(x509.ExtKeyUsageServerAuth, "client.global.nomad")
		if _, _, ok := chain.Why(err); ok || !errors.As(err, new(x509.HostnameError)) {
			t.Errorf("got %v, known %t", err, ok)
		}
	})
}

// TestWhyNotTrusted: a whole chain that leads to an authority which the peer does not trust is said to do so.
func TestWhyNotTrusted(t *testing.T) {
	t.Parallel()
	var chains [2]tlsfile.Chain
	for i, name := range []string{"Own CA", "Other CA"} {
		a, err := pki.NewAuthority(pki.Options{CommonName: name})
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Issue(pki.Identity{Role: pki.Server})
		if err != nil {
			t.Fatal(err)
		}
		certs, err := pki.DecodeCertificates(slices.Concat(c.CertPEM, a.CertificatePEM()))
		if err != nil {
			t.Fatal(err)
		}
		chains[i] = tlsfile.Chain{Certificates: certs, Path: "the file", Authorities: certs[1:], Bundle: "the bundle"}
	}
	own, other := chains[0], chains[1]
	if err := own.Verify(x509.ExtKeyUsageAny, ""); err != nil {
		t.Fatal(err)
	}
	if up := own.Up(); len(up) != 2 {
		t.Errorf("%d certificates lead up, want its own and its authority's", len(up))
	}
	own.Authorities = other.Authorities
	found, mend, ok := own.Why(own.Verify(x509.ExtKeyUsageAny, ""))
	if !ok || found != "it leads to CN=Own CA, which is not trusted" || !strings.HasSuffix(mend, "into the bundle") {
		t.Errorf("%q, %q, %t", found, mend, ok)
	}
}

// TestWhyPathLength: an intermediate too many is named, and without it the chain is accepted.
func TestWhyPathLength(t *testing.T) {
	t.Parallel()
	root, err := pki.NewAuthority(pki.Options{CommonName: "Root CA", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	middle, err := root.NewIntermediate(pki.Options{CommonName: "Middle CA", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	low, err := middle.NewIntermediate(pki.Options{CommonName: "Low CA"})
	if err != nil {
		t.Fatal(err)
	}
	below, err := low.WithTrust(low.CertificatePEM()) // alone, it would not issue below so many
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[*pki.Authority]string{middle: "", below: "than its path length allows"} {
		c, err := of.Issue(pki.Identity{Role: pki.Server})
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := c.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		above, err := pki.DecodeCertificates(slices.Concat(low.CertificatePEM(), middle.CertificatePEM(), root.CertificatePEM()))
		if err != nil {
			t.Fatal(err)
		}
		chain := tlsfile.Chain{Certificates: append([]*x509.Certificate{leaf}, above[:2]...), Authorities: above[2:]}
		err = chain.Verify(x509.ExtKeyUsageAny, "")
		found, _, _ := chain.Why(err)
		if (err == nil) != (want == "") || !strings.Contains(found, want) {
			t.Errorf("below %s: %v, %q", of, err, found)
		}
	}
}
