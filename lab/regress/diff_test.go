package regress_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

// TestSidesOfADiff: the progress, and the error of a cluster that did not get ready, say which of the two clusters is meant.
func TestSidesOfADiff(t *testing.T) {
	const why = "the cluster did not get ready: waited 30s for region global to be ready"
	for name, c := range map[string]struct{ was, is, want []string }{
		"the old one": {[]string{why, "of old alone"}, []string{"of new"}, []string{"old: " + why, "of new"}},
		"the new one": {nil, []string{why, "of new"}, []string{"new: " + why, "of new"}},
		"both":        {[]string{why}, []string{why}, []string{"old: " + why, "new: " + why}},
		"neither":     {[]string{"a"}, nil, nil},
	} {
		if got := regress.SidesUnready(finding.Report{Notes: c.was}, finding.Report{Notes: c.is}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var told []lab.Event
	regress.Sided("old", func(e lab.Event) { told = append(told, e) })(lab.Event{Phase: "servers", Text: "3 servers started", Done: true})
	if want := (lab.Event{Phase: "old servers", Text: "old: 3 servers started", Done: true}); len(told) != 1 || told[0] != want {
		t.Errorf("it tells %+v, want %+v", told, want)
	}
	if regress.Sided("old", nil) != nil {
		t.Error("a tell is made of none")
	}
}
