package scenarios_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/scenarios"
)

// wrongTwin is a scenario of change with one thing done wrong, and what it must notice of it.
type wrongTwin struct {
	name     string
	scenario scenario.Scenario
	// fails are the steps that must fail, by number, with what their error must say. All others must succeed.
	fails map[int]string
	// fail are the checks that must fail, by ID, or by "ID at NODE".
	fail []string
	// sample twins run on every engine: see sampleOn.
	sample bool
	// within bounds the steps that must fail, because they wait for what will not come. Zero: the scenario's own bound.
	within time.Duration
}

func wrongTwins() []wrongTwin {
	return []wrongTwin{
		{
			name: "certificates are written and no agent is reloaded", sample: true,
			scenario: scenarios.RenewalEdited(func(p *rollout.Plan) {
				for i := range p.Steps {
					p.Steps[i].Effect, p.Steps[i].Await = rollout.Nothing, nil
				}
			}),
			fails: map[int]string{2: "serves the certificate", 3: "serves the certificate", 4: "serves the certificate"},
		},
		{
			name: "one server goes on trusting the old authority", sample: true,
			scenario: scenarios.NewAuthorityEdited(func(p *rollout.Plan) {
				p.Steps = slices.DeleteFunc(p.Steps, func(s rollout.Step) bool { return s.Node == "server-1" && s.Title == "trust the new authority alone" })
			}),
			fail: []string{
				"https-refuses-the-old-authority at server-1", "rpc-refuses-the-old-authority at server-1", "raft-refuses-the-old-authority at server-1",
			},
		},
		{
			name: "the short cut waits", scenario: scenarios.LeavesFirstWaiting(), fails: map[int]string{4: "the servers reach each other anew"},
		},
		{
			name: "the leader's new certificate is written, and it is not reloaded",
			scenario: scenarios.ExpiredEdited(func(p *rollout.Plan) {
				for i, s := range p.Steps {
					if s.Effect == rollout.Reload && strings.HasPrefix(s.Node, "server") {
						p.Steps[i].Effect = rollout.Nothing
					}
				}
			}),
			fails: map[int]string{6: "the cluster is ready"}, within: short,
		},
		{
			name: "settings change with a certificate", scenario: scenarios.ReloadsRenewing(),
			fails: map[int]string{2: "between the change"},
			fail: []string{
				"verify-https-client-is-ignored-alone", "verify-server-hostname-is-ignored-alone", "rpc-upgrade-mode-is-ignored-alone",
				"tls-min-version-is-ignored-alone", "verify-https-client-is-ignored-alone-on-the-way-back",
				"verify-server-hostname-is-ignored-alone-on-the-way-back", "rpc-upgrade-mode-is-ignored-alone-on-the-way-back",
				"tls-min-version-is-ignored-alone-on-the-way-back",
			},
		},
	}
}

// TestChangesCanFail does one thing wrong in each scenario of change: the scenario must notice it.
func TestChangesCanFail(t *testing.T) {
	for _, w := range sampleOn(t, wrongTwins(), func(w wrongTwin) bool { return w.sample }) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := within(w.scenario, w.within, slices.Collect(maps.Keys(w.fails))...)
			if len(w.fails) == 0 {
				s = w.scenario
			}
			w.demand(t, survey(t, labtest.StartFor(t, s), s))
		})
	}
}

// demand compares what was noticed with what must be. What the work beside a change has suffered is not the question.
func (w wrongTwin) demand(t *testing.T, r scenario.Result) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range r.Findings {
		at := f.ID + " at " + f.Node
		wanted := slices.Contains(w.fail, f.ID) || slices.Contains(w.fail, at)
		seen[f.ID], seen[at] = true, true
		switch {
		case strings.HasPrefix(f.Node, "the work"):
		case wanted && f.Result != finding.Fail, !wanted && f.Result != finding.Pass:
			t.Errorf("%s: %s: %s", at, f.Result, f.Reason)
		}
	}
	for _, id := range w.fail {
		if !seen[id] {
			t.Errorf("%s did not run", id)
		}
	}
	failed := []int{}
	for _, f := range r.Failed {
		failed = append(failed, f.Number)
		if says := w.fails[f.Number]; says == "" || !strings.Contains(f.Err.Error(), says) {
			t.Errorf("step %d failed with %v, want %q", f.Number, f.Err, says)
		}
	}
	if diff := cmp.Diff(slices.AppendSeq([]int{}, slices.Values(slices.Sorted(maps.Keys(w.fails)))), failed); diff != "" {
		t.Errorf("steps that failed (-want +got):\n%s", diff)
	}
}

// heldChanges are the scenarios of change that must lose nothing in ten runs one after another, on each engine.
func heldChanges() []string {
	return []string{
		"certificates-are-renewed-while-work-runs", "the-authority-is-replaced-while-work-runs",
		"the-gossip-key-is-replaced-while-work-runs", "gossip-encryption-is-added-while-work-runs",
		"plaintext-becomes-tls-while-work-runs", "rpc-upgrade-mode-is-safe-without-names", "acls-are-switched-on-while-work-runs",
		"nomad-is-upgraded-while-work-runs",
	}
}

// TestProofOfChanges runs each change that must lose nothing ten times, one after another, each on a fresh lab. `make prove` does it on
// each engine, and keeps what is printed.
func TestProofOfChanges(t *testing.T) {
	const runs = 10
	engine := labtest.Engine(t).Name()
	for _, name := range heldChanges() {
		found, err := scenarios.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range runs {
			t.Run(fmt.Sprintf("%s/%d", name, i+1), func(t *testing.T) {
				l := labtest.StartFor(t, found[0])
				r, err := found[0].Run(t.Context(), l, silent{})
				_, _ = fmt.Fprintf(t.Output(), "run %d of %d on %s, lab %s: %s in %.1f s, error %v\n", i+1, runs, engine, l.Name(), finding.Summarize(r.Findings), r.Took.Seconds(), err)
				for _, f := range r.Findings {
					if strings.HasPrefix(f.Node, "the work") {
						_, _ = fmt.Fprintf(t.Output(), "  %s: %s: %s\n", f.Result, f.Title, f.Reason)
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
