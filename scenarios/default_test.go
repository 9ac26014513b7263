package scenarios_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
)

// TestPostureOfTheLabForLearning: the lab for learning breaks exactly those promises of which it is written down why.
func TestPostureOfTheLabForLearning(t *testing.T) {
	t.Parallel()
	known, err := inspect.KnownFailures()
	if err != nil {
		t.Fatal(err)
	}
	r := inspected(t, labtest.Start(t), inspect.Options{})
	broken := map[string]bool{}
	for _, f := range r.Findings {
		switch f.Result {
		case finding.Fail:
			broken[f.ID] = true
			if f.Known == "" {
				t.Errorf("%s at %s is broken, and no reason is written down: %s", f.ID, f.Node, f.Reason)
			}
		case finding.Inconclusive:
			t.Errorf("%s at %s: %s: %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(broken))); diff != "" {
		t.Errorf("fixtures/posture/default.yaml and what is broken (-written +seen):\n%s", diff)
	}
}
