package scenario_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
)

// failing is a scenario of which a check and two steps fail, with a check after each.
func failing(cause error) scenario.Scenario {
	check := func(st *scenario.T, id string, v finding.Result) error {
		return st.Record(finding.Finding{ID: id, Result: v})
	}
	return example(
		step("one", func(_ context.Context, st *scenario.T) error {
			return errors.Join(check(st, "a", finding.Fail), check(st, "b", finding.Inconclusive), check(st, "c", finding.Pass))
		}),
		step("two", func(context.Context, *scenario.T) error { return cause }),
		step("three", func(_ context.Context, st *scenario.T) error { return check(st, "d", finding.Pass) }),
		step("four", func(context.Context, *scenario.T) error { return cause }),
	)
}

// TestSurveySeesAll: a check that does not pass ends neither its step nor the survey, nor does a step that fails.
func TestSurveySeesAll(t *testing.T) {
	cause := errors.New("no leader")
	var r recorder
	result, err := failing(cause).Survey(t.Context(), nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"begin 1/4 one", "found a fail", "found b inconclusive", "found c pass", "end one <nil> true",
		"begin 2/4 two", "end two no leader true",
		"begin 3/4 three", "found d pass", "end three <nil> true",
		"begin 4/4 four", "end four no leader true",
	}
	if diff := cmp.Diff(want, r.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got := failures(result); got != "2 two, 4 four" || !errors.Is(result.Failed[0].Err, cause) {
		t.Errorf("failed are %q: %v", got, result.Failed)
	}
	if len(result.Findings) != 4 {
		t.Errorf("found: %v", result.Findings)
	}
}

// TestRunEndsWhereSurveyGoesOn is its control: the same scenario under Run.
func TestRunEndsWhereSurveyGoesOn(t *testing.T) {
	result, err := failing(errors.New("no leader")).Run(t.Context(), nil, &recorder{})
	if err == nil || failures(result) != "1 one" {
		t.Errorf("error %v, failed are %q", err, failures(result))
	}
	sound, err := example(step("one", func(context.Context, *scenario.T) error { return nil })).Run(t.Context(), nil, &recorder{})
	if err != nil || len(sound.Failed) != 0 {
		t.Errorf("error %v, failed are %q", err, failures(sound))
	}
}

func TestSurveyOfNothingIsAnError(t *testing.T) {
	if _, err := example().Survey(t.Context(), nil, &recorder{}); !errors.Is(err, scenario.ErrNothingProved) {
		t.Errorf("error %v, want ErrNothingProved", err)
	}
}

// TestSurveyEndsWithItsContext: steps that fail because the time is up say nothing about the lab.
func TestSurveyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := example(
		step("one", func(ctx context.Context, _ *scenario.T) error {
			cancel()
			return ctx.Err()
		}),
		step("two", func(context.Context, *scenario.T) error {
			t.Error("the second step was carried out")
			return nil
		}),
	)
	if _, err := s.Survey(ctx, nil, &recorder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// failures are the steps that failed, as "number title".
func failures(r scenario.Result) string {
	var all []string
	for _, f := range r.Failed {
		all = append(all, string(rune('0'+f.Number))+" "+f.Title)
	}
	return strings.Join(all, ", ")
}

// TestADroppedFindingFailsTheRun: a step that drops Record's error does not pass.
func TestADroppedFindingFailsTheRun(t *testing.T) {
	for outcome, fails := range map[finding.Result]bool{finding.Pass: false, finding.Fail: true, finding.Skipped: true} {
		s := example(step("one", func(_ context.Context, st *scenario.T) error {
			_ = st.Record(finding.Finding{ID: "a", Result: outcome})
			return nil
		}))
		if _, err := s.Run(t.Context(), nil, &recorder{}); (err != nil) != fails {
			t.Errorf("%s: error %v, want one: %v", outcome, err, fails)
		}
	}
}

// TestALateStepFails, although it says that it was done; its control is in time.
func TestALateStepFails(t *testing.T) {
	for within, fails := range map[time.Duration]bool{time.Millisecond: true, time.Minute: false} {
		late := step("one", func(ctx context.Context, _ *scenario.T) error {
			if within < time.Second {
				<-ctx.Done()
			}
			return nil
		})
		late.Within = within
		if _, err := example(late).Run(t.Context(), nil, &recorder{}); (err != nil) != fails {
			t.Errorf("within %s: error %v, want one: %v", within, err, fails)
		}
	}
}
