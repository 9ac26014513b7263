package scenarios_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/story"
	"nomadlab.internal/scenarios"
)

// TestScenariosCanFail takes one protection away at a time. Every check and every step that stands for it must notice,
// and nothing else: a check that passes on an open cluster tells an operator that it is shut.
func TestScenariosCanFail(t *testing.T) {
	for _, w := range weakenedLabs() {
		t.Run(w.scenario+"/"+w.weaken, func(t *testing.T) {
			t.Parallel()
			found, err := scenarios.Find(w.scenario)
			if err != nil {
				t.Fatal(err)
			}
			s := within(found[0], w.within, w.failing()...)
			s.Needs = append(s.Needs, w.needs...)
			l := labtest.Stage(t, s, w.spec)
			demand(t, l, w, survey(t, l, s))
		})
	}
}

// TestElectionCanFail has the machine to itself, as the election has.
func TestElectionCanFail(t *testing.T) {
	const lost, leaderless = "read nomadlab/lost, which was acknowledged", "no new leader was elected in time"
	spec := scenarios.LostWrite().Spec
	t.Run("a write is lost, then the old leader leads again", func(t *testing.T) {
		l := labtest.Start(t, lab.Like(spec))
		demand(t, l, weakened{fails: map[int]string{4: lost, 5: lost}}, survey(t, l, within(scenarios.LostWrite(), short, 4, 5)))
		demand(t, l, weakened{fails: map[int]string{1: "leads again"}}, survey(t, l, scenarios.OldLeaderLeads()))
	})
	t.Run("two servers, of which one does not suffice", func(t *testing.T) {
		l := labtest.Start(t, lab.Like(spec), lab.Servers(2))
		began := time.Now()
		demand(t, l, weakened{fails: map[int]string{
			1: "2 voters among 2 servers", 3: "for a new leader", 4: leaderless, 5: leaderless,
		}}, survey(t, l, scenarios.ElectionWithin(3*time.Second)))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("that there is no leader was noticed after %s, 3 s were allowed", took)
		}
	})
}

// within is the scenario with a bound on those of its steps, by number from 1; on all if none is named. Zero leaves them
// as they are.
func within(s story.Scenario, bound time.Duration, numbers ...int) story.Scenario {
	if bound == 0 {
		return s
	}
	steps := s.Steps
	s.Steps = func() []story.Step {
		all := steps()
		for i := range all {
			if len(numbers) == 0 || slices.Contains(numbers, i+1) {
				all[i].Within = bound
			}
		}
		return all
	}
	return s
}

func survey(t *testing.T, l *lab.Lab, s story.Scenario) story.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := s.Survey(ctx, l, silent{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failed {
		_, _ = fmt.Fprintf(t.Output(), "step %d (%s) failed: %v\n", f.Number, f.Title, f.Err)
	}
	return r
}

// demand compares all that was noticed with all that was to be.
func demand(t *testing.T, l *lab.Lab, w weakened, r story.Result) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, f := range r.Findings {
		at := f.ID + " at " + f.Node
		if _, there := got[at]; there {
			t.Errorf("%s was made twice: which of them was it?", at)
		}
		if l.Servers()[0].Caller(lab.HTTPPort).IsValid() && strings.Contains(f.Reason, "not attributed") {
			t.Errorf("%s: it is known who the prober is, and yet: %s", at, f.Reason)
		}
		if who := control(f.ID); who != "" && !strings.Contains(f.Evidence[0].Did, who) {
			t.Errorf("%s: its control is to %s, it was to be with that for %s", at, f.Evidence[0].Did, who)
		}
		got[at], want[at] = string(f.Verdict), string(w.verdict(f.ID))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	for _, id := range slices.Concat(w.broken, w.void) {
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.ID == id }) {
			t.Errorf("%s was never made", id)
		}
	}
	failed := map[int]string{}
	for _, f := range r.Failed {
		failed[f.Number] = f.Err.Error()
		if says := w.fails[f.Number]; says == "" || !strings.Contains(f.Err.Error(), says) {
			t.Errorf("step %d failed with %v, it was to say %q", f.Number, f.Err, says)
		}
	}
	if diff := cmp.Diff(w.failing(), slices.Sorted(maps.Keys(failed))); diff != "" {
		t.Errorf("steps that failed (-want +got):\n%s", diff)
	}
}

// failing are the steps that must fail, in their order.
func (w weakened) failing() []int { return slices.Sorted(maps.Keys(w.fails)) }

// verdict is what the check must come to.
func (w weakened) verdict(id string) finding.Verdict {
	switch {
	case slices.Contains(w.broken, id):
		return finding.Broken
	case slices.Contains(w.void, id):
		return finding.NotCarriedOut
	default:
		return finding.Held
	}
}

// silent is a narrator for stories that are to fail.
type silent struct{}

func (silent) Begin(story.Step, int, int)           {}
func (silent) Say(string)                           {}
func (silent) Found(finding.Finding)                {}
func (silent) End(story.Step, time.Duration, error) {}
