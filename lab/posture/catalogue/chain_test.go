package catalogue_test

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestAuthoritiesOfACertificate: a defect of an authority is one of the certificates that lead to it. How long a
// certificate must remain valid depends on its life.
func TestAuthoritiesOfACertificate(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		authority, leaf time.Duration
		age             time.Duration
		defect          pki.Defect
		lasts           bool
	}{
		"both last":                                {30 * 24 * time.Hour, 7 * 24 * time.Hour, 0, pki.Defect{}, true},
		"a day's certificate, just made":           {30 * 24 * time.Hour, 24 * time.Hour, 0, pki.Defect{}, true},
		"a day's certificate, nearly over":         {30 * 24 * time.Hour, 24 * time.Hour, 23 * time.Hour, pki.Defect{}, false},
		"an authority that ends within the day":    {24*time.Hour - time.Minute, 24 * time.Hour, 0, pki.Defect{}, false},
		"an authority that ends the day after":     {49 * time.Hour, 24 * time.Hour, 0, pki.Defect{}, true},
		"a certificate that ends within two hours": {30 * 24 * time.Hour, 7 * 24 * time.Hour, 0, pki.NearlyExpired(), false},
	} {
		clock := func() time.Time { return now.Add(-test.age) }
		a, err := pki.NewAuthority(pki.Options{TTL: test.authority, LeafTTL: test.leaf, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.IssueDefective(pki.Identity{Role: pki.Server}, test.defect)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := c.Chain()
		if err != nil {
			t.Fatal(err)
		}
		own, err := c.Authorities()
		if err != nil {
			t.Fatal(err)
		}
		there, saw := catalogue.InChain("lasts-another-day", probe.Observation{Served: chain}, own...)
		if there == test.lasts {
			t.Errorf("%s: an end that is near: %t, %s", name, there, saw)
		}
	}
}

// TestAuthoritiesWithAShortKey: an attacker who breaks an authority's key signs any certificate, however strong the
// agent's own key is.
func TestAuthoritiesWithAShortKey(t *testing.T) {
	t.Parallel()
	for bits, short := range map[int]bool{1024: true, 2048: false} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		authority := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true}, nil, key.Public(), key)
		leaf := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}}, authority, own.Public(), key)
		for name, o := range map[string]struct{ served, known []*x509.Certificate }{
			"sent along": {[]*x509.Certificate{leaf, authority}, nil},
			"known":      {[]*x509.Certificate{leaf}, []*x509.Certificate{authority}},
		} {
			there, saw := catalogue.InChain("has-a-strong-key", probe.Observation{Served: o.served}, o.known...)
			if there != short || short && !strings.Contains(saw, "its authority CN=authority: an RSA key of 1024 bits") {
				t.Errorf("an authority of %d bits, %s: too short: %t, %s", bits, name, there, saw)
			}
		}
		if there, saw := catalogue.InChain("has-a-strong-key", probe.Observation{Served: []*x509.Certificate{leaf}}); there {
			t.Errorf("without an authority: %s", saw)
		}
	}
}

// signed returns a certificate of the key, signed by the parent's key; nil: by itself.
func signed(t *testing.T, c, parent *x509.Certificate, of crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, cmp.Or(parent, c), of, by)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestParseRoleName: what Nomad, or a caller that verifies an agent's name, takes for a role name.
func TestParseRoleName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]catalogue.RoleName{
		"server.global.nomad":   {Role: "server", Region: "global", LetsIn: true},
		"server.a.b.nomad":      {Role: "server", Region: "a.b", LetsIn: true}, // nomad/server.go:645
		"client.eu.west.nomad":  {Role: "client", Region: "eu.west", LetsIn: true},
		"SERVER.Global.NOMAD":   {Role: "server", Region: "Global"}, // a call names the region in its own letters
		"server.global.NOMAD":   {Role: "server", Region: "global"},
		"cli.global.nomad":      {Role: "cli", Region: "global", LetsIn: true},
		"server.nomad":          {},
		"server..nomad":         {Role: "server", LetsIn: true},
		"server.global.nomads":  {},
		"web.global.nomad":      {},
		"server.nomad.example":  {},
		"x.server.global.nomad": {},
	} {
		got, is := catalogue.ParseRoleName(name)
		if got != want || is != (want != catalogue.RoleName{}) {
			t.Errorf("%s is %v, %t, want %v", name, got, is, want)
		}
	}
}

// TestARegionInCapitals is the same region, whatever letters the certificate uses. The controls name two regions.
func TestARegionInCapitals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		region string // of a lab; empty: known by the certificates alone
		names  []string
		second bool
	}{
		{"DMZ", []string{"server.DMZ.nomad", "localhost"}, false},
		{"DMZ", []string{"server.dmz.nomad", "server.DMZ.nomad"}, false},
		{"DMZ", []string{"server.DMZ.nomad", "server.eu.nomad"}, true},
		{"eu", []string{"server.DMZ.nomad"}, true},
		{"", []string{"server.DMZ.nomad", "client.dmz.nomad"}, false},
		{"", []string{"server.DMZ.nomad", "client.x.DMZ.nomad"}, true},
	} {
		second, saw := catalogue.OtherRegion(test.region, &x509.Certificate{Subject: pkix.Name{CommonName: test.names[0]}, DNSNames: test.names})
		if second != test.second {
			t.Errorf("the region %q, %s: another region: %t, want %t", test.region, saw, second, test.second)
		}
	}
}
