package posture_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// TestWithoutAControl: a check whose control cannot be sent is skipped, unless the probe is let in.
func TestWithoutAControl(t *testing.T) {
	const reason = "no token is at hand"
	for outcome, want := range map[probe.Outcome]finding.Result{
		probe.Denied: finding.Skipped, probe.NotReached: finding.Skipped, probe.Accepted: finding.Fail,
	} {
		spec := whole()
		spec.Missing, spec.Control = reason, probe.Unavailable(probe.PlaneRPC, reason)
		spec.Probe = answering("probe", outcome)
		f := posture.Must(spec).Evaluate(t.Context(), server())
		if f.Result != want || want == finding.Skipped && f.Reason != reason {
			t.Errorf("%s: result %q because %q, want %q", outcome, f.Result, f.Reason, want)
		}
	}
}

// TestAControlThatCouldNotBeTried: the reason says why, as the user may be able to change it.
func TestAControlThatCouldNotBeTried(t *testing.T) {
	const reason = "listening needs root"
	spec := whole()
	spec.Control = probe.Unavailable(probe.PlaneRPC, reason)
	f := posture.Must(spec).Evaluate(t.Context(), server())
	if f.Result != finding.Inconclusive || !strings.HasSuffix(f.Reason, ": "+reason) {
		t.Errorf("result %q because %q, want one that ends in why", f.Result, f.Reason)
	}
}
