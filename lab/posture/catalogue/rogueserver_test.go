package catalogue_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestWhatTheOfferOfARogueServerTakes: a token if ACLs are on, two certificates, and an address that the client can
// call.
func TestWhatTheOfferOfARogueServerTakes(t *testing.T) {
	const callable = "127.0.0.1"
	for name, c := range map[string]struct {
		take   func(*catalogue.Ingredients)
		caller string
		result finding.Result
		says   string
	}{
		"everything":      {func(*catalogue.Ingredients) {}, callable, finding.Inconclusive, "connection refused"},
		"no token":        {func(i *catalogue.Ingredients) { i.Management = "" }, callable, finding.Skipped, "a management token is not at hand"},
		"no ACL system":   {func(i *catalogue.Ingredients) { i.Management, i.NoACL = "", true }, callable, finding.Inconclusive, "connection refused"},
		"no certificates": {func(i *catalogue.Ingredients) { i.Callers = caller.Set{} }, callable, finding.Skipped, "nobody was made who holds"},
		"no way back":     {func(*catalogue.Ingredients) {}, "", finding.Skipped, "it is not known by which address agent could call a listener of ours"},
	} {
		i := minted(t)
		c.take(&i)
		f := check(t, i, "client-takes-no-client-for-a-server").Evaluate(t.Context(), probe.Target{
			Name: "agent", Role: pki.Client, Region: "global", HTTP: "127.0.0.1:1", ServerName: "client.global.nomad", Caller: c.caller,
		})
		if f.Result != c.result || !strings.Contains(f.Reason, c.says) {
			t.Errorf("%s: %s because %q, want %s, %q", name, f.Result, f.Reason, c.result, c.says)
		}
		if f.Plane != string(probe.PlaneRPC) {
			t.Errorf("it is of the %s plane", f.Plane)
		}
	}
}
