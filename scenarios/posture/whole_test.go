package posture_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/posture/catalogue"
)

// TestWeakeningsAreWhole: a weakening that names no check, or one that there is not, would prove nothing.
func TestWeakeningsAreWhole(t *testing.T) {
	checks, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	var known, ids []string
	for _, c := range checks {
		known = append(known, c.Spec().ID)
	}
	for _, w := range weakenings() {
		if w.id == "" || w.line == "" || len(w.breaks) == 0 || len(w.spec) == 0 && w.after == nil {
			t.Errorf("weakening %q lacks its id, its line, what it does or what it breaks", w.id)
		}
		if w.undo != nil && w.after == nil {
			t.Errorf("weakening %q undoes what it does not do", w.id)
		}
		if slices.Contains(ids, w.id) {
			t.Errorf("weakening %q is there twice", w.id)
		}
		ids = append(ids, w.id)
		for _, id := range w.breaks {
			if !slices.Contains(known, id) {
				t.Errorf("weakening %q breaks %q, which is no check", w.id, id)
			}
		}
	}
}
