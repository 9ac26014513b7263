package posture_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// TestWhoPassesARequestOn is not to blame for what the other lets in, and is for what the other would refuse.
func TestWhoPassesARequestOn(t *testing.T) {
	const other = "server-2"
	for name, test := range map[string]struct {
		open   []string
		passed bool
		want   finding.Verdict
	}{
		"both refuse":               {nil, true, finding.Held},
		"the other lets it in":      {[]string{server().Name, other}, true, finding.Skipped},
		"this one alone lets it in": {[]string{server().Name}, true, finding.Broken},
		"this one decides itself":   {[]string{server().Name, other}, false, finding.Broken},
	} {
		spec := whole()
		spec.Probe = probe.New(probe.PlaneRPC, "ask", func(_ context.Context, t probe.Target) probe.Observation {
			if slices.Contains(test.open, t.Name) {
				return probe.Observation{Outcome: probe.Accepted}
			}
			return probe.Observation{Outcome: probe.RefusedInHandshake}
		}).Classed(probe.Reads())
		spec.PassedOn = func(context.Context, probe.Target) (probe.Target, bool) {
			to := server()
			to.Name = other
			return to, test.passed
		}
		f := posture.Must(spec).Evaluate(t.Context(), server())
		if f.Verdict != test.want || f.Verdict == finding.Skipped && !strings.Contains(f.Reason, other) {
			t.Errorf("%s: %s because %s, want %s", name, f.Verdict, f.Reason, test.want)
		}
	}
}

// TestPassedOnIsForSafeChecks, as it has the probe tried at another agent.
func TestPassedOnIsForSafeChecks(t *testing.T) {
	spec := whole()
	spec.PassedOn = func(context.Context, probe.Target) (probe.Target, bool) { return probe.Target{}, false }
	if _, err := posture.New(spec); err != nil {
		t.Fatal(err)
	}
	spec.Kind = posture.Intrusive
	if _, err := posture.New(spec); err == nil || !strings.Contains(err.Error(), "PassedOn") {
		t.Errorf("error %v", err)
	}
}
