package scenario_test

import (
	"context"
	"errors"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/timeline"
)

// TestTimeline: what steps record is in the Result, also after a step that failed, and what a cleanup records.
func TestTimeline(t *testing.T) {
	s := example(step("one", func(_ context.Context, st *scenario.T) error {
		st.Cleanup(func() { st.Recorder().Add(timeline.Event{Kind: timeline.Agent, Text: "does not answer, to the end"}) })
		st.Recorder().Add(timeline.Event{Kind: timeline.Step, Text: "renewed"})
		st.SumUp(timeline.Line{Name: "writes", Text: "none lost"})
		return errors.New("no")
	}))
	s.Claim = "It is renewed"
	var r recorder
	result, err := s.Run(t.Context(), &lab.Lab{}, &r)
	if err == nil || result.Timeline == nil {
		t.Fatalf("error %v, timeline %v", err, result.Timeline)
	}
	got := result.Timeline
	if got.Title != s.Claim || len(got.Events) != 2 || got.Events[0].Text != "renewed" || len(got.Load) != 1 {
		t.Errorf("got %+v", got)
	}
	quiet := example(step("one", func(context.Context, *scenario.T) error { return nil }))
	if result, err := quiet.Run(t.Context(), &lab.Lab{}, &r); err != nil || result.Timeline != nil {
		t.Errorf("nothing was recorded: error %v, timeline %v", err, result.Timeline)
	}
}
