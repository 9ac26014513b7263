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

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/scenarios"
)

// TestScenariosCanFail takes one protection away at a time. Every check and every step that stands for it must notice,
// and nothing else: a check that passes on an open cluster tells an operator that it is shut. What a check notices does not
// depend on the engine, and each row takes a cluster: all rows run on processes, which are up soonest, and a sample of them on
// any other engine.
func TestScenariosCanFail(t *testing.T) {
	for _, w := range sampleOn(t, weakenedLabs(), func(w weakened) bool { return w.sample }) {
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
	wanted := scenarios.LostWrite().Spec
	type electionRow struct {
		name   string
		sample bool
		run    func(*testing.T)
	}
	rows := []electionRow{
		{"a write is lost, then the old leader leads again", true, func(t *testing.T) {
			l := labtest.Start(t, spec.Like(wanted))
			demand(t, l, weakened{fails: map[int]string{4: lost, 5: lost}}, survey(t, l, within(scenarios.LostWrite(), short, 4, 5)))
			demand(t, l, weakened{fails: map[int]string{1: "leads again"}}, survey(t, l, scenarios.OldLeaderLeads()))
		}},
		{"two servers, of which one does not suffice", false, func(t *testing.T) {
			l := labtest.Start(t, spec.Like(wanted), spec.Servers(2))
			demand(t, l, weakened{fails: map[int]string{
				1: "2 voters among 2 servers", 3: "no new leader was elected within 3s", 4: leaderless, 5: leaderless,
			}}, survey(t, l, scenarios.ElectionWithin(3*time.Second)))
		}},
	}
	for _, r := range sampleOn(t, rows, func(r electionRow) bool { return r.sample }) {
		t.Run(r.name, r.run)
	}
}

// sampleOn returns the rows that are carried out on the engine that is asked for: all of them on processes, and the sample
// elsewhere. The sample must not be empty.
func sampleOn[T any](t *testing.T, rows []T, inSample func(T) bool) []T {
	t.Helper()
	e := labtest.Engine(t).Name()
	chosen := chosenFor(e, rows, inSample)
	if len(chosen) == 0 {
		t.Fatal("no row is carried out: nothing would be proved")
	}
	_, _ = fmt.Fprintf(t.Output(), "%d of %d rows are carried out on the engine %q\n", len(chosen), len(rows), e)
	return chosen
}

func chosenFor[T any](engine string, rows []T, inSample func(T) bool) []T {
	if engine == string(engines.Process) {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(row T) bool { return !inSample(row) })
}

// TestTheSampleHasEveryScenario that another engine than processes can carry out: each must be seen to fail there too.
func TestTheSampleHasEveryScenario(t *testing.T) {
	sampled := map[string]bool{}
	rows := weakenedLabs()
	for _, w := range chosenFor("docker", rows, func(w weakened) bool { return w.sample }) {
		sampled[w.scenario] = true
	}
	if n := len(chosenFor("process", rows, func(weakened) bool { return false })); n != len(rows) {
		t.Errorf("%d of %d rows are carried out on processes", n, len(rows))
	}
	for _, w := range rows {
		found, err := scenarios.Find(w.scenario)
		if err != nil {
			t.Fatal(err)
		}
		if !sampled[w.scenario] && !slices.Contains(found[0].Needs, engine.SharedLoopback) {
			t.Errorf("no row of %s is in the sample", w.scenario)
		}
	}
}

// within is the scenario with a bound on those of its steps, by number from 1; on all if none is named. Zero leaves them
// as they are. A busy machine is given more time: see deadline.Fair.
func within(s scenario.Scenario, bound time.Duration, numbers ...int) scenario.Scenario {
	if bound == 0 {
		return s
	}
	return done(s, func(do action) action {
		return func(ctx context.Context, t *scenario.T) error {
			ctx, cancel := deadline.Fair(ctx, bound)
			defer cancel()
			return do(ctx, t)
		}
	}, numbers...)
}

// action is what a step does.
type action = func(context.Context, *scenario.T) error

// done is the scenario with those steps, or all, done in another way.
func done(s scenario.Scenario, way func(action) action, numbers ...int) scenario.Scenario {
	steps := s.Steps
	s.Steps = func() []scenario.Step {
		all := steps()
		for i := range all {
			if len(numbers) == 0 || slices.Contains(numbers, i+1) {
				all[i].Do = way(all[i].Do)
			}
		}
		return all
	}
	return s
}

func survey(t *testing.T, l *lab.Lab, s scenario.Scenario) scenario.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Start)
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
func demand(t *testing.T, l *lab.Lab, w weakened, r scenario.Result) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, f := range r.Findings {
		at := f.ID + " at " + f.Node
		if _, there := got[at]; there {
			t.Errorf("%s was made twice: which of them was it?", at)
		}
		if l.Servers()[0].Caller(spec.HTTPPort).IsValid() && strings.Contains(f.Reason, "not attributed") {
			t.Errorf("%s: it is known who the prober is, and yet: %s", at, f.Reason)
		}
		if who := control(f.ID); who != "" && !strings.Contains(f.Evidence[0].Did, who) {
			t.Errorf("%s: its control is to %s, it was to be with that for %s", at, f.Evidence[0].Did, who)
		}
		got[at], want[at] = string(f.Result), string(w.verdict(f.ID, at))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for _, id := range slices.Concat(w.broken, w.void) {
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.ID == id || f.ID+" at "+f.Node == id }) {
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

// result is what the check must come to at that node.
func (w weakened) verdict(id, at string) finding.Result {
	in := func(list []string) bool { return slices.Contains(list, id) || slices.Contains(list, at) }
	switch {
	case in(w.broken):
		return finding.Fail
	case in(w.void):
		return finding.Inconclusive
	default:
		return finding.Pass
	}
}

// silent is a narrator for stories that are to fail.
type silent struct{}

func (silent) Begin(scenario.Step, int, int)           {}
func (silent) Say(string)                              {}
func (silent) Found(finding.Finding)                   {}
func (silent) End(scenario.Step, time.Duration, error) {}
