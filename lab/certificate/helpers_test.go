package certificate_test

import (
	"slices"
	"testing"
	"time"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

// capable is an authority that every defect can be had of.
func capable(t *testing.T) *pki.Authority {
	t.Helper()
	return authority(t, pki.Options{CommonName: "the agents' own", PermittedDNS: []string{"lab.test"}, Intermediates: 1, TTL: 11 * 365 * 24 * time.Hour})
}

func authority(t *testing.T, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *pki.Authority, id pki.Identity, d pki.Defect) pki.Credential {
	t.Helper()
	c, err := a.IssueDefective(id, d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// named issues a certificate with these names and no others.
func named(t *testing.T, a *pki.Authority, commonName string, dnsNames ...string) pki.Credential {
	t.Helper()
	c, err := a.IssueTemplate(pki.Template{Holder: pki.Identity{Role: pki.Server}, CommonName: commonName, DNSNames: dnsNames})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// decode reads a text as the file of that name, which its owner alone may read.
func decode(t *testing.T, name string, text []byte) certificate.Input {
	t.Helper()
	i, err := certificate.Decode(text, name, "")
	if err != nil {
		t.Fatal(err)
	}
	i.Mode = 0o600
	return i
}

// trusting returns options with the authority's certificate.
func trusting(t *testing.T, authorities ...*pki.Authority) certificate.Options {
	t.Helper()
	o := certificate.Options{Now: time.Now()}
	for _, a := range authorities {
		certs, err := pki.DecodeCertificates(a.CertificatePEM())
		if err != nil {
			t.Fatal(err)
		}
		o.Trusted = append(o.Trusted, certs...)
	}
	return o
}

// judged returns what is said of the only certificate of a file.
func judged(t *testing.T, o certificate.Options, text []byte) certificate.Certificate {
	t.Helper()
	r := certificate.Judge([]certificate.Input{decode(t, "it.pem", text)}, o)
	if len(r.Places) != 1 || len(r.Places[0].Certificates) != 1 {
		t.Fatalf("%+v", r)
	}
	return r.Places[0].Certificates[0]
}

// ids returns the problems' IDs, sorted.
func ids(all []certificate.Problem) []string {
	out := []string{}
	for _, p := range all {
		out = append(out, p.ID)
	}
	slices.Sort(out)
	return out
}

// complete fails the test for a problem that lacks words.
func complete(t *testing.T, all []certificate.Problem) {
	t.Helper()
	for _, p := range all {
		if p.What == "" || p.Remedy == "" || p.Effect == "" {
			t.Errorf("%+v", p)
		}
	}
}
