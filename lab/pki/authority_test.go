package pki_test

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
)

func TestAuthorityCertificate(t *testing.T) {
	authority := newAuthority(t, pki.Options{CommonName: "lab one", Now: at(noon())})
	ca := parseCA(t, authority.CertificatePEM())
	if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero {
		t.Errorf("CA %v, path length %d: want an authority over leaves alone", ca.IsCA, ca.MaxPathLen)
	}
	if ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("key usage %b", ca.KeyUsage)
	}
	if !ca.NotBefore.Equal(noon().Add(-time.Hour)) || !ca.NotAfter.Equal(noon().Add(30*24*time.Hour)) || !authority.NotAfter().Equal(ca.NotAfter) {
		t.Errorf("valid from %s to %s", ca.NotBefore, ca.NotAfter)
	}
	if len(ca.SubjectKeyId) == 0 || !bytes.Equal(ca.SubjectKeyId, ca.AuthorityKeyId) {
		t.Errorf("key ids %x and %x", ca.SubjectKeyId, ca.AuthorityKeyId)
	}
	if len(ca.PermittedDNSDomains) != 0 {
		t.Errorf("constraints %v where none were asked for", ca.PermittedDNSDomains)
	}
	if authority.String() != "lab one" || ca.Subject.CommonName != "lab one" {
		t.Errorf("named %q and %q", authority, ca.Subject.CommonName)
	}
}

// TestAuthorityOverAuthorities: as many as were asked for may stand between it and a leaf.
func TestAuthorityOverAuthorities(t *testing.T) {
	ca := parseCA(t, newAuthority(t, pki.Options{Intermediates: 1}).CertificatePEM())
	if ca.MaxPathLen != 1 || ca.MaxPathLenZero {
		t.Errorf("path length %d, want 1", ca.MaxPathLen)
	}
}

func TestAuthorityConstraints(t *testing.T) {
	spare := []string{"lab.test", "nomad", "mine", "mine"}
	given := spare[:2] // an append in place would write over the rest
	ca := parseCA(t, newAuthority(t, pki.Options{PermittedDNS: given}).CertificatePEM())
	if diff := cmp.Diff([]string{"lab.test", "nomad", "localhost"}, ca.PermittedDNSDomains); diff != "" {
		t.Errorf("permitted (-want +got):\n%s", diff)
	}
	if !ca.PermittedDNSDomainsCritical {
		t.Error("constraints are not critical")
	}
	if !slices.Equal(spare, []string{"lab.test", "nomad", "mine", "mine"}) {
		t.Errorf("the caller's slice was changed to %v", spare)
	}
}

func TestUnnamedAuthoritiesDiffer(t *testing.T) {
	one, two := newAuthority(t, pki.Options{}), newAuthority(t, pki.Options{})
	if one.String() == two.String() || !strings.HasPrefix(one.String(), "Nomad Agent CA ") {
		t.Errorf("named %q and %q", one, two)
	}
}

func TestCertificatePEMIsACopy(t *testing.T) {
	authority := newAuthority(t, pki.Options{})
	clear(authority.CertificatePEM())
	parseCA(t, authority.CertificatePEM())
}

func TestAuthorityOptions(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options pki.Options
		want    string
	}{
		{"zero", pki.Options{}, ""},
		{"all", pki.Options{CommonName: strings.Repeat("x", 64), TTL: time.Second, LeafTTL: time.Second, PermittedDNS: []string{"a.test"}}, ""},
		{"long name", pki.Options{CommonName: strings.Repeat("x", 65)}, "CommonName"},
		{"spaced name", pki.Options{CommonName: "lab "}, "CommonName"},
		{"negative TTL", pki.Options{TTL: -time.Hour}, "TTL -1h0m0s"},
		{"tiny leaf TTL", pki.Options{LeafTTL: time.Millisecond}, "LeafTTL 1ms"},
		{"negative path length", pki.Options{Intermediates: -1}, "intermediates -1"},
		{"wildcard constraint", pki.Options{PermittedDNS: []string{"*.test"}}, `PermittedDNS "*.test"`},
		{"dotted constraint", pki.Options{PermittedDNS: []string{".test"}}, `PermittedDNS ".test"`},
		{"empty constraint", pki.Options{PermittedDNS: []string{""}}, `PermittedDNS ""`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := pki.NewAuthority(tc.options)
			checkError(t, err, tc.want)
		})
	}
}
