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

// TestScenariosCanFail takes one protection away at a time. Exactly the checks and steps that stand for it must fail: a check
// that passes on an open cluster is wrong. What a check notices does not depend on the engine, and each row takes a cluster,
// so all rows run on processes, which start fastest, and a sample of them on any other engine.
func TestScenariosCanFail(t *testing.T) {
	for _, m := range sampleOn(t, mutations(), func(m mutation) bool { return m.sample }) {
		t.Run(m.scenario+"/"+m.change, func(t *testing.T) {
			t.Parallel()
			found, err := scenarios.Find(m.scenario)
			if err != nil {
				t.Fatal(err)
			}
			s := within(found[0], m.within, m.failing()...)
			s.Needs = append(s.Needs, m.needs...)
			l := labtest.StartFor(t, s, m.spec)
			demand(t, l, m, survey(t, l, s))
		})
	}
}

// TestElectionCanFail has the machine to itself, as the election has.
func TestElectionCanFail(t *testing.T) {
	const lost, leaderless = "an acknowledged write is missing at", "no new leader was elected in time"
	wanted := scenarios.LostWrite().Spec
	type electionRow struct {
		name   string
		sample bool
		run    func(*testing.T)
	}
	rows := []electionRow{
		{"a write is lost, then the old leader leads again", true, func(t *testing.T) {
			l := labtest.Start(t, spec.Like(wanted))
			demand(t, l, mutation{fails: map[int]string{4: lost, 5: lost}}, survey(t, l, within(scenarios.LostWrite(), short, 4, 5)))
			demand(t, l, mutation{fails: map[int]string{1: "leads again"}}, survey(t, l, scenarios.OldLeaderLeads()))
		}},
		{"two servers, of which one does not suffice", false, func(t *testing.T) {
			l := labtest.Start(t, spec.Like(wanted), spec.Servers(2))
			demand(t, l, mutation{fails: map[int]string{
				1: "2 voters among 2 servers", 3: "no new leader was elected within 3s", 4: leaderless, 5: leaderless,
			}}, survey(t, l, scenarios.ElectionWithin(3*time.Second)))
		}},
	}
	for _, r := range sampleOn(t, rows, func(r electionRow) bool { return r.sample }) {
		t.Run(r.name, r.run)
	}
}

// sampleOn returns the rows that run on the chosen engine: all of them on processes, and the sample elsewhere. The sample must
// not be empty.
func sampleOn[T any](t *testing.T, rows []T, inSample func(T) bool) []T {
	t.Helper()
	e := labtest.Engine(t).Name()
	chosen := chosenFor(e, rows, inSample)
	if len(chosen) == 0 {
		t.Fatal("no row runs: nothing would be proved")
	}
	_, _ = fmt.Fprintf(t.Output(), "%d of %d rows run on the engine %q\n", len(chosen), len(rows), e)
	return chosen
}

func chosenFor[T any](engine string, rows []T, inSample func(T) bool) []T {
	if engine == string(engines.Process) {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(row T) bool { return !inSample(row) })
}

// TestTheSampleHasEveryScenario that an engine other than processes can run: each must be seen to fail there too.
func TestTheSampleHasEveryScenario(t *testing.T) {
	sampled := map[string]bool{}
	rows := mutations()
	for _, m := range chosenFor("docker", rows, func(m mutation) bool { return m.sample }) {
		sampled[m.scenario] = true
	}
	if n := len(chosenFor("process", rows, func(mutation) bool { return false })); n != len(rows) {
		t.Errorf("%d of %d rows run on processes", n, len(rows))
	}
	for _, m := range rows {
		found, err := scenarios.Find(m.scenario)
		if err != nil {
			t.Fatal(err)
		}
		if !sampled[m.scenario] && !slices.Contains(found[0].Needs, engine.SharedLoopback) {
			t.Errorf("no row of %s is in the sample", m.scenario)
		}
	}
}

// within returns the scenario with a bound on those of its steps, by number from 1; on all if none is named. Zero leaves them
// as they are. A busy machine gets more time: see deadline.Fair.
func within(s scenario.Scenario, bound time.Duration, numbers ...int) scenario.Scenario {
	if bound == 0 {
		return s
	}
	return wrapped(s, func(do action) action {
		return func(ctx context.Context, t *scenario.T) error {
			ctx, cancel := deadline.Fair(ctx, bound)
			defer cancel()
			return do(ctx, t)
		}
	}, numbers...)
}

// action is what a step does.
type action = func(context.Context, *scenario.T) error

// wrapped returns the scenario with the actions of those steps, or of all, wrapped.
func wrapped(s scenario.Scenario, wrap func(action) action, numbers ...int) scenario.Scenario {
	steps := s.Steps
	s.Steps = func() []scenario.Step {
		all := steps()
		for i := range all {
			if len(numbers) == 0 || slices.Contains(numbers, i+1) {
				all[i].Do = wrap(all[i].Do)
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

// demand compares all that was noticed with all that must be.
func demand(t *testing.T, l *lab.Lab, m mutation, r scenario.Result) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, f := range r.Findings {
		at := f.ID + " at " + f.Node
		if _, there := got[at]; there {
			t.Errorf("%s was found twice: which of them is it?", at)
		}
		if l.Servers()[0].CallerAddress(spec.HTTPPort).IsValid() && strings.Contains(f.Reason, "not attributed") {
			t.Errorf("%s: the prober's address is known, and yet: %s", at, f.Reason)
		}
		if who := control(f.ID); who != "" && !strings.Contains(f.Evidence[0].Did, who) {
			t.Errorf("%s: its control is to %s, want one with the certificate for %s", at, f.Evidence[0].Did, who)
		}
		got[at], want[at] = string(f.Result), string(m.want(f.ID, at))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for _, id := range slices.Concat(m.fail, m.inconclusive) {
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.ID == id || f.ID+" at "+f.Node == id }) {
			t.Errorf("%s did not run", id)
		}
	}
	failed := map[int]string{}
	for _, f := range r.Failed {
		failed[f.Number] = f.Err.Error()
		if says := m.fails[f.Number]; says == "" || !strings.Contains(f.Err.Error(), says) {
			t.Errorf("step %d failed with %v, want %q", f.Number, f.Err, says)
		}
	}
	if diff := cmp.Diff(m.failing(), slices.Sorted(maps.Keys(failed))); diff != "" {
		t.Errorf("steps that failed (-want +got):\n%s", diff)
	}
}

// failing returns the numbers of the steps that must fail, in order.
func (m mutation) failing() []int { return slices.Sorted(maps.Keys(m.fails)) }

// want returns the result that the check must have at that node.
func (m mutation) want(id, at string) finding.Result {
	in := func(list []string) bool { return slices.Contains(list, id) || slices.Contains(list, at) }
	switch {
	case in(m.fail):
		return finding.Fail
	case in(m.inconclusive):
		return finding.Inconclusive
	default:
		return finding.Pass
	}
}

// silent is a narrator for scenarios that must fail.
type silent struct{}

func (silent) Begin(scenario.Step, int, int)           {}
func (silent) Say(string)                              {}
func (silent) Found(finding.Finding)                   {}
func (silent) End(scenario.Step, time.Duration, error) {}
