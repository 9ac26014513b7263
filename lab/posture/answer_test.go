package posture_test

import (
	"context"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// TestAnswer: a refusal with other words than the wanted ones fails.
func TestAnswer(t *testing.T) {
	saying := probe.New(probe.PlaneRPC, "ask in the clear", func(context.Context, probe.Target) probe.Observation {
		return probe.Observation{Outcome: probe.Denied, Received: "400 Bad Request: use HTTPS"}
	}).WithEffect(probe.Reads())
	for answer, want := range map[string]finding.Result{
		"":              finding.Pass,
		"use HTTPS":     finding.Pass,
		"use something": finding.Fail,
	} {
		spec := whole()
		spec.Probe, spec.Want, spec.Answer = saying, posture.Want{probe.Denied}, answer
		if f := posture.Must(spec).Evaluate(t.Context(), server()); f.Result != want {
			t.Errorf("wanting %q: result %q because %s; want %q", answer, f.Result, f.Reason, want)
		}
	}
}
