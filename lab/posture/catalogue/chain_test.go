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
