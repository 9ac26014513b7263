package regress_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

// TestMutationsAreWhole: each has what a reader and the score need, and an ID of its own.
func TestMutationsAreWhole(t *testing.T) {
	ids := map[string]bool{}
	weakening := 0
	for _, m := range regress.Mutations() {
		if m.ID == "" || m.Line == "" || len(m.Settings) == 0 || ids[m.ID] {
			t.Errorf("mutation %+v lacks something, or is there twice", m)
		}
		ids[m.ID] = true
		if m.Equivalent == "" {
			weakening++
		} else if !strings.Contains(m.Equivalent, ".go:") {
			t.Errorf("%s is said to change nothing, without a line of Nomad's: %s", m.ID, m.Equivalent)
		}
	}
	if weakening < 40 {
		t.Errorf("%d mutations weaken, want 40 at least", weakening)
	}
}

// TestChosen: patterns mean what they say, and one that means nothing is an error.
func TestChosen(t *testing.T) {
	chosen, err := regress.Chosen([]string{"server-tls-1*", "no-acl"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range chosen {
		got = append(got, m.ID)
	}
	if diff := cmp.Diff([]string{"server-tls-10", "server-tls-11", "no-acl"}, got); diff != "" {
		t.Error(diff)
	}
	for _, pattern := range []string{"no-such", "["} {
		if _, err := regress.Chosen([]string{pattern}); !errors.Is(err, regress.ErrNoMutation) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

// TestApplies: a mutation that would change nothing of the configuration is not run.
func TestApplies(t *testing.T) {
	folder := written(t, map[string]string{"s.hcl": soundServer + `
tls {
  http = true
  verify_https_client = false
}
limits { http_max_conns_per_client = 100 }
`})
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(folder, "s.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	applies := map[string]bool{}
	for _, m := range regress.Mutations() {
		applies[m.ID] = m.Applies(s) == ""
	}
	for id, want := range map[string]bool{
		"server-plain-http":                        true,
		"server-https-for-everybody":               false, // so it is
		"client-plain-http":                        false, // no client
		"no-gossip-key":                            false, // it has none
		"default-limits.http_max_conns_per_client": true,
		"default-limits.https_handshake_timeout":   false, // it is nowhere
		"server-key-for-everybody":                 false, // no key was read
		"server-certificate-expired":               true,
		"one-server-plain-http":                    true,
		"each-server-on-its-own":                   true,
		"overlay-of-false":                         true,
	} {
		got, known := applies[id]
		if !known {
			t.Errorf("there is no mutation %s", id)
		} else if got != want {
			t.Errorf("%s applies: %t, want %t", id, got, want)
		}
	}
}

// report is one of a single check at one agent, and of one that is held whatever happens.
func report(v finding.Verdict, outcome string, settings ...string) finding.Report {
	return finding.Report{Findings: []finding.Finding{
		{ID: "a-promise", Verdict: v, Outcome: outcome, Settings: settings},
		{ID: "another", Verdict: finding.Held, Outcome: "absent"},
	}}
}

// TestFates: what was seen without a mutation and with it decides what became of it.
func TestFates(t *testing.T) {
	weakens := regress.Mutation{ID: "m", Settings: []string{"tls.http"}}
	nothing := regress.Mutation{ID: "n", Settings: []string{"tls.http"}, Equivalent: "it is so (a.go:1)"}
	held := report(finding.Held, "refused", "tls.http")
	for name, test := range map[string]struct {
		mutation    regress.Mutation
		before, now finding.Report
		want        regress.Fate
		by          int
	}{
		"nobody noticed":          {weakens, held, held, regress.Survived, 0},
		"who names it noticed":    {weakens, held, report(finding.Broken, "accepted", "tls.HTTP"), regress.Killed, 1},
		"who names another did":   {weakens, held, report(finding.Broken, "accepted", "acl.enabled"), regress.KilledByOthers, 1},
		"it was broken before":    {weakens, report(finding.Broken, "accepted", "tls.http"), report(finding.Broken, "accepted", "tls.http"), regress.Survived, 0},
		"it could not be tried":   {weakens, held, report(finding.NotCarriedOut, "not reached", "tls.http"), regress.Survived, 0},
		"the very same":           {nothing, held, held, regress.Equivalent, 0},
		"another outcome":         {nothing, held, report(finding.Held, "denied", "tls.http"), regress.NotEquivalent, 1},
		"another verdict":         {nothing, held, report(finding.Skipped, "refused", "tls.http"), regress.NotEquivalent, 1},
		"nothing was seen at all": {nothing, finding.Report{}, finding.Report{}, regress.NotEquivalent, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.mutation.Judge(test.before, test.now)
			if r.Fate != test.want || len(r.By) != test.by {
				t.Errorf("it was %s by %v, want %s by %d", r.Fate, r.By, test.want, test.by)
			}
		})
	}
}

// TestScore counts what had to be killed, and what was by who names it.
func TestScore(t *testing.T) {
	var run regress.MutationRun
	for _, f := range []regress.Fate{
		regress.Killed, regress.Killed, regress.KilledByOthers, regress.Survived, regress.Failed, regress.NotEquivalent,
		regress.Equivalent, regress.Inapplicable, regress.Refused,
	} {
		run.Results = append(run.Results, regress.Result{Fate: f})
	}
	if killed, of := run.Score(); killed != 2 || of != 6 {
		t.Errorf("%d of %d", killed, of)
	}
}

// TestOverlayIsACopy: a mutation changes nothing of what all others start from.
func TestOverlayIsACopy(t *testing.T) {
	s, err := regress.Read(regress.Paths{Server: []string{written(t, map[string]string{"s.hcl": soundServer})}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regress.Mutations() {
		m.Mutated(s)
	}
	if n := len(s.Configuration.Server.Files); n != 1 || string(s.Configuration.Server.Files[0].Text) != soundServer {
		t.Errorf("the configuration has %d files now", n)
	}
}
