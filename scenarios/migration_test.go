package scenarios_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/scenarios"
)

// TestWrongOrdersAreNoticed carries out each change of this kind in a way that loses something, and demands that the scenario
// says what.
func TestWrongOrdersAreNoticed(t *testing.T) {
	type wrongOrder struct {
		name     string
		scenario scenario.Scenario
		// finding is a finding that must fail, and step the number of a step that must fail with that text. Empty, 0: none.
		finding string
		step    int
		says    string
		// within bounds the step that must fail, on a machine that is not busy. Zero: it ends by itself.
		within time.Duration
		// sample is true for a row that runs on every engine: what is noticed does not depend on it.
		sample bool
	}
	rows := []wrongOrder{
		{name: "the client goes to TLS before the servers", scenario: scenarios.ClientFirst(), finding: "work-keeps-its-allocations-moved-or-lost", sample: true},
		{name: "the token of the bootstrap is not the agreed one", scenario: scenarios.OtherToken(), finding: "work-keeps-its-calls-failed-after-retry"},
		{name: "upgrade mode is to end by a reload", scenario: scenarios.ClosedByReload(), step: 7, says: "rpc-refuses-plaintext-nomad-rpc"},
		{name: "servers in upgrade mode verify no names", scenario: scenarios.WithoutNames(), step: 3, says: "want one that is pending"},
		{name: "the new gossip key is not used before the old one is removed", scenario: scenarios.NeverUsed(), step: 3, says: "nodes reported failure"},
		{name: "one server gets no gossip key", scenario: scenarios.OneServerLeftOut(), step: 2, says: "encrypt gossip): waited", within: 3 * time.Second},
	}
	for _, twin := range sampleOn(t, rows, func(w wrongOrder) bool { return w.sample }) {
		t.Run(twin.name, func(t *testing.T) {
			t.Parallel()
			s := twin.scenario
			if twin.within > 0 {
				s = within(s, twin.within, twin.step)
			}
			l := labtest.Start(t, spec.Like(s.Spec))
			ctx, cancel := context.WithTimeout(t.Context(), deadline.Start)
			defer cancel()
			r, err := s.Survey(ctx, l, silent{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				if lost := f.ID == "work-keeps-its-acknowledged-writes-lost"; lost && f.Result != finding.Pass {
					t.Errorf("%s: %s: even so no write may be lost", f.ID, f.Reason)
				}
			}
			if twin.finding != "" {
				failed(t, r, twin.finding)
			}
			if twin.step != 0 {
				failedAt(t, r, twin.step, twin.says)
			}
		})
	}
}

// failed demands that the finding is there and failed.
func failed(t *testing.T, r scenario.Result, id string) {
	t.Helper()
	for _, f := range r.Findings {
		if f.ID != id {
			continue
		}
		_, _ = t.Output().Write([]byte(f.Reason + "\n"))
		if f.Result != finding.Fail {
			t.Errorf("%s: %s, want fail: %s", id, f.Result, f.Reason)
		}
		return
	}
	t.Errorf("there is no finding %s; failed steps: %v", id, r.Failed)
}

// failedAt demands that the first step that failed is that one, with that text.
func failedAt(t *testing.T, r scenario.Result, number int, says string) {
	t.Helper()
	if len(r.Failed) == 0 {
		t.Errorf("no step failed, want step %d to", number)
		return
	}
	f := r.Failed[0]
	_, _ = t.Output().Write([]byte(f.Err.Error() + "\n"))
	if f.Number != number || !strings.Contains(f.Err.Error(), says) {
		t.Errorf("step %d failed first, with %v; want step %d, with %q", f.Number, f.Err, number, says)
	}
}
