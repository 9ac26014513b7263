package catalogue_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestServersAreAskedInTurn: one that cannot tell of a client, or tells what it knew before it lost its leader, is passed over.
func TestServersAreAskedInTurn(t *testing.T) {
	const here, other, old = `[{"Name":"agent","Status":"ready"}]`, `[{"Name":"other","Status":"ready"}]`, "old:"
	const bad = `{"Drivers":{"raw_exec":{"Detected":true}},"Name":"agent","Status":"ready"}`
	good := strings.Replace(bad, "true", "false", 1)
	const registered, drivers = "client-is-registered-and-ready", "client-offers-no-raw-exec"
	ingredients := minted(t)
	for name, test := range map[string]struct {
		check string
		lists []string // what each server answers; empty: it closes whatever is opened
		want  finding.Verdict
	}{
		"the first has it":                      {registered, []string{here}, finding.Held},
		"the second has it":                     {registered, []string{other, here}, finding.Held},
		"one closes, the next has it":           {registered, []string{"", here}, finding.Held},
		"one closes at the end":                 {registered, []string{here, ""}, finding.Held},
		"none has it":                           {registered, []string{other, other}, finding.Broken},
		"one closes, the next has it not":       {registered, []string{"", other}, finding.Broken},
		"one has it not, the next closes":       {registered, []string{other, ""}, finding.Broken},
		"all close":                             {registered, []string{"", ""}, finding.NotCarriedOut},
		"a list of before":                      {registered, []string{old + here, other}, finding.Broken},
		"nothing but a list of before":          {registered, []string{old + here}, finding.NotCarriedOut},
		"drivers, off":                          {drivers, []string{"", "[" + good + "]"}, finding.Held},
		"drivers, on at another server's word":  {drivers, []string{"", "[" + bad + "]"}, finding.Broken},
		"drivers of another client":             {drivers, []string{"[" + good + "," + strings.Replace(bad, "agent", "other", 1) + "]"}, finding.Held},
		"drivers, of a client that is not told": {drivers, []string{other}, finding.NotCarriedOut},
	} {
		i := ingredients
		i.NoACL = true
		for _, list := range test.lists {
			at := closing(t)
			if list != "" {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					body, isOld := strings.CutPrefix(list, old)
					if isOld {
						w.Header().Set("X-Nomad-Knownleader", "false")
					}
					_, _ = w.Write([]byte(body))
				}))
				t.Cleanup(s.Close)
				at = s.Listener.Addr().String()
			}
			i.Servers = append(i.Servers, probe.Target{Name: at, Role: pki.Server, Region: "global", HTTP: at, HTTPInClear: true})
		}
		checks, err := catalogue.All(i)
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := posture.Choose(checks, test.check)
		if err != nil {
			t.Fatal(err)
		}
		f := chosen[0].Evaluate(t.Context(), probe.Target{Name: "agent", Role: pki.Client, Region: "global", HTTP: "127.0.0.1:1", Address: "192.0.2.9"})
		if f.Verdict != test.want {
			t.Errorf("%s: %s because %s, want %s", name, f.Verdict, f.Reason, test.want)
		}
	}
}
