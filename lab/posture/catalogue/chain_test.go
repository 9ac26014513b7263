package catalogue_test

import (
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestAuthoritiesOfACertificate: what is wrong with an authority is wrong with what leads to it; and how long a certificate must
// last goes by the life that it was made for.
func TestAuthoritiesOfACertificate(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		authority, leaf time.Duration
		age             time.Duration
		flaw            pki.Flaw
		lasts           bool
	}{
		"both last":                                {30 * 24 * time.Hour, 7 * 24 * time.Hour, 0, pki.Flaw{}, true},
		"a day's certificate, just made":           {30 * 24 * time.Hour, 24 * time.Hour, 0, pki.Flaw{}, true},
		"a day's certificate, nearly over":         {30 * 24 * time.Hour, 24 * time.Hour, 23 * time.Hour, pki.Flaw{}, false},
		"an authority that ends within the day":    {24*time.Hour - time.Minute, 24 * time.Hour, 0, pki.Flaw{}, false},
		"an authority that ends the day after":     {49 * time.Hour, 24 * time.Hour, 0, pki.Flaw{}, true},
		"a certificate that ends within two hours": {30 * 24 * time.Hour, 7 * 24 * time.Hour, 0, pki.NearlyExpired(), false},
	} {
		clock := func() time.Time { return now.Add(-test.age) }
		a, err := pki.NewAuthority(pki.Options{TTL: test.authority, LeafTTL: test.leaf, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.IssueFlawed(pki.Identity{Role: pki.Server}, test.flaw)
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

// TestParseRoleName: what Nomad, or whoever calls an agent by its name, takes for the name of a role.
func TestParseRoleName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]catalogue.RoleName{
		"server.global.nomad":   {Role: "server", Region: "global"},
		"server.a.b.nomad":      {Role: "server", Region: "a.b"}, // nomad/server.go:645
		"client.eu.west.nomad":  {Role: "client", Region: "eu.west"},
		"SERVER.Global.NOMAD":   {Role: "server", Region: "global"},
		"cli.global.nomad":      {Role: "cli", Region: "global"},
		"server.nomad":          {},
		"server..nomad":         {Role: "server"},
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
