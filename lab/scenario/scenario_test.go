package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
)

// recorder stores what a narrator receives.
type recorder struct{ told []string }

func (r *recorder) note(format string, args ...any) {
	r.told = append(r.told, fmt.Sprintf(format, args...))
}

func (r *recorder) Begin(s scenario.Step, number, of int) {
	r.note("begin %d/%d %s", number, of, s.Title)
}
func (r *recorder) Say(text string)         { r.note("say %s", text) }
func (r *recorder) Found(f finding.Finding) { r.note("found %s %s", f.ID, f.Result) }
func (r *recorder) End(s scenario.Step, took time.Duration, err error) {
	r.note("end %s %v %v", s.Title, err, took >= 0)
}

func example(steps ...scenario.Step) scenario.Scenario {
	return scenario.Scenario{Name: "example", Steps: func() []scenario.Step { return steps }}
}

func step(title string, do func(context.Context, *scenario.T) error) scenario.Step {
	return scenario.Step{Title: title, Do: do}
}

func TestStepsRunInTheirOrder(t *testing.T) {
	l := &lab.Lab{}
	s := example(
		step("one", func(_ context.Context, st *scenario.T) error {
			st.Say("%d nodes", 3)
			return nil
		}),
		step("two", func(_ context.Context, st *scenario.T) error {
			if st.Lab != l {
				return errors.New("another lab")
			}
			return st.Record(finding.Finding{ID: "check", Result: finding.Pass})
		}),
		step("three", func(context.Context, *scenario.T) error { return nil }),
	)
	var r recorder
	result, err := s.Run(t.Context(), l, &r)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"begin 1/3 one", "say 3 nodes", "end one <nil> true",
		"begin 2/3 two", "found check pass", "end two <nil> true",
		"begin 3/3 three", "end three <nil> true",
	}
	if diff := cmp.Diff(want, r.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]finding.Finding{{ID: "check", Result: finding.Pass}}, result.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if result.Took <= 0 {
		t.Errorf("it took %s", result.Took)
	}
}

// TestAnErrorEndsTheScenario: what comes later stands on what came before.
func TestAnErrorEndsTheScenario(t *testing.T) {
	cause := errors.New("no leader")
	s := example(
		step("one", func(_ context.Context, st *scenario.T) error {
			return st.Record(finding.Finding{ID: "first", Result: finding.Pass})
		}),
		step("two", func(context.Context, *scenario.T) error { return cause }),
		step("three", func(context.Context, *scenario.T) error {
			t.Error("the third step was carried out")
			return nil
		}),
	)
	var r recorder
	result, err := s.Run(t.Context(), nil, &r)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "example, step 2 (two)") {
		t.Errorf("error %v, want one that wraps the cause and names the step", err)
	}
	want := []string{"begin 1/3 one", "found first pass", "end one <nil> true", "begin 2/3 two", "end two no leader true"}
	if diff := cmp.Diff(want, r.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if len(result.Findings) != 1 {
		t.Errorf("what was found up to there is lost: %v", result.Findings)
	}
}

func TestNoStepsProveNothing(t *testing.T) {
	for name, steps := range map[string][]scenario.Step{"nil": nil, "empty": {}} {
		if _, err := example(steps...).Run(t.Context(), nil, &recorder{}); !errors.Is(err, scenario.ErrNothingProved) {
			t.Errorf("%s: %v, want ErrNothingProved", name, err)
		}
	}
	one := example(step("one", func(context.Context, *scenario.T) error { return nil }))
	if _, err := one.Run(t.Context(), nil, &recorder{}); err != nil {
		t.Errorf("the control, one step: %v", err)
	}
}

// TestOnlyPassPasses: what is inconclusive, was skipped, or was never judged proves nothing.
func TestOnlyPassPasses(t *testing.T) {
	for outcome, passes := range map[finding.Result]bool{
		finding.Pass: true, finding.Fail: false, finding.Inconclusive: false, finding.Skipped: false, "": false, "PASS": false,
	} {
		found := finding.Finding{ID: "check", Node: "server-1", Result: outcome, Reason: "because"}
		s := example(step("one", func(_ context.Context, st *scenario.T) error { return st.Record(found) }))
		var r recorder
		result, err := s.Run(t.Context(), nil, &r)
		if (err == nil) != passes {
			t.Errorf("result %q: error %v", outcome, err)
		}
		if err != nil && !strings.Contains(err.Error(), "check on server-1: "+string(outcome)+": because") {
			t.Errorf("result %q: the error does not say what was found: %v", outcome, err)
		}
		if len(result.Findings) != 1 || r.told[1] != "found check "+string(outcome) {
			t.Errorf("result %q: kept %v, told %v", outcome, result.Findings, r.told)
		}
	}
}

func TestWithinBoundsAStep(t *testing.T) {
	for name, c := range map[string]struct{ within, want time.Duration }{
		"said": {40 * time.Millisecond, 40 * time.Millisecond}, "left out": {0, deadline.Hang},
	} {
		var left time.Duration
		s := example(scenario.Step{Title: "one", Within: c.within, Do: func(ctx context.Context, _ *scenario.T) error {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return nil
		}})
		if _, err := s.Run(t.Context(), nil, &recorder{}); err != nil {
			t.Fatal(err)
		}
		if left > c.want || c.want > time.Minute && left < c.want/2 {
			t.Errorf("%s: %s are left, want %s", name, left, c.want)
		}
	}
}

// TestAStepThatTakesTooLongFails, and says so by its context's cause; the next step would have its whole time.
func TestAStepThatTakesTooLongFails(t *testing.T) {
	wait := func(ctx context.Context, _ *scenario.T) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s := example(scenario.Step{Title: "one", Within: 20 * time.Millisecond, Do: wait})
	_, err := s.Run(t.Context(), nil, &recorder{})
	if err == nil || !strings.Contains(err.Error(), "step 1 (one): the step was not done within 20ms") {
		t.Errorf("error: %v", err)
	}
	short := scenario.Step{Title: "short", Within: time.Minute, Do: func(ctx context.Context, _ *scenario.T) error { return ctx.Err() }}
	if _, err := example(short, short).Run(t.Context(), nil, &recorder{}); err != nil {
		t.Errorf("the control: %v", err)
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := example(step("one", func(ctx context.Context, _ *scenario.T) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}))
	if _, err := s.Run(ctx, nil, &recorder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestEachRunHasStepsOfItsOwn: steps share what they find through variables, which two runs must not share.
func TestEachRunHasStepsOfItsOwn(t *testing.T) {
	s := scenario.Scenario{Name: "counting", Steps: func() []scenario.Step {
		count := 0
		return []scenario.Step{
			step("count", func(context.Context, *scenario.T) error { count++; return nil }),
			step("look", func(context.Context, *scenario.T) error {
				if count != 1 {
					return fmt.Errorf("counted %d", count)
				}
				return nil
			}),
		}
	}}
	for range 2 {
		if _, err := s.Run(t.Context(), nil, &recorder{}); err != nil {
			t.Error(err)
		}
	}
}

// TestCleanupComesAtTheEnd, the latest first, however the scenario ends, and under Survey too.
func TestCleanupComesAtTheEnd(t *testing.T) {
	for name, fail := range map[string]error{"done": nil, "failed": errors.New("no leader")} {
		var did []string
		note := func(what string) func() { return func() { did = append(did, what) } }
		s := example(
			step("one", func(_ context.Context, st *scenario.T) error {
				st.Cleanup(note("first"))
				st.Cleanup(note("second"))
				note("one")()
				return fail
			}),
			step("two", func(context.Context, *scenario.T) error { note("two")(); return nil }),
		)
		want := []string{"one", "two", "second", "first"}
		_, err := s.Run(t.Context(), nil, &recorder{})
		if fail != nil {
			want = slices.Delete(want, 1, 2)
		}
		if diff := cmp.Diff(want, did); diff != "" || !errors.Is(err, fail) {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		did = nil
		_, err = s.Survey(t.Context(), nil, &recorder{})
		if diff := cmp.Diff([]string{"one", "two", "second", "first"}, did); diff != "" || err != nil {
			t.Errorf("%s, surveyed: %v (-want +got):\n%s", name, err, diff)
		}
	}
	t.Run("panic", func(t *testing.T) {
		done := 0
		defer func() {
			if recover() == nil || done != 2 {
				t.Errorf("%d of 2 were called", done)
			}
		}()
		_, _ = example(step("one", func(_ context.Context, st *scenario.T) error {
			st.Cleanup(func() { done++ })
			st.Cleanup(func() { done++; panic("the cleanup") })
			panic("the step")
		})).Run(t.Context(), nil, &recorder{})
	})
}
