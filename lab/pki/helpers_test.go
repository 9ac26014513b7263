package pki_test

import (
	"crypto/x509"
	"net/netip"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
)

var serverID = pki.Identity{Role: pki.Server}

// capable is an authority that every defect can be had of.
func capable() pki.Options {
	return pki.Options{PermittedDNS: []string{"lab.test"}, Intermediates: 1, TTL: 11 * 365 * 24 * time.Hour}
}

func newAuthority(t *testing.T, o pki.Options) *pki.Authority {
	t.Helper()
	authority, err := pki.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func issue(t *testing.T, authority *pki.Authority, id pki.Identity) pki.Credential {
	t.Helper()
	return issueDefective(t, authority, id, pki.Defect{})
}

func issueDefective(t *testing.T, authority *pki.Authority, id pki.Identity, defect pki.Defect) pki.Credential {
	t.Helper()
	cred, err := authority.IssueDefective(id, defect)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func leafOf(t *testing.T, cred pki.Credential) *x509.Certificate {
	t.Helper()
	leaf, err := cred.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}
