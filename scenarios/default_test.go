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

// TestPostureOfTheDefaultLab: exactly those checks fail in the default lab of which the file of known failures says why.
func TestPostureOfTheDefaultLab(t *testing.T) {
	t.Parallel()
	known, err := inspect.KnownFailures()
	if err != nil {
		t.Fatal(err)
	}
	r := inspected(t, labtest.Start(t))
	failed := map[string]bool{}
	for _, f := range r.Findings {
		switch f.Result {
		case finding.Fail:
			failed[f.ID] = true
			if f.Known == "" {
				t.Errorf("%s at %s fails, and no reason is known: %s", f.ID, f.Node, f.Reason)
			}
		case finding.Inconclusive:
			t.Errorf("%s at %s: %s: %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(failed))); diff != "" {
		t.Errorf("fixtures/posture/default.yaml and what fails (-known +seen):\n%s", diff)
	}
}
