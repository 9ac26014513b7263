package labtest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
)

// complaints keeps what a test would fail for.
type complaints struct {
	testing.TB
	said []string
}

func (c *complaints) Helper() {}

func (c *complaints) Errorf(format string, values ...any) {
	c.said = append(c.said, fmt.Sprintf(format, values...))
}

// TestAllPass: AllPass fails a test for each thing that the report of a cluster without faults must not have, and for nothing
// else.
func TestAllPass(t *testing.T) {
	passed, elsewhere := finding.Finding{ID: "a", Result: finding.Pass}, finding.Finding{ID: "b", Result: finding.Skipped, Reason: "it runs at client-2"}
	cells := func(all ...finding.Cell) *finding.Matrix {
		return &finding.Matrix{Rows: []finding.MatrixRow{{Certificate: "none", Cells: all}}}
	}
	good := cells(finding.Cell{Result: finding.Pass})
	of := func(m *finding.Matrix, all ...finding.Finding) finding.Report {
		return finding.Report{Findings: all, Matrix: m}
	}
	for name, test := range map[string]struct {
		report finding.Report
		want   labtest.Tally
		says   string
	}{
		"all pass": {of(good, passed, passed, elsewhere), labtest.Tally{Passed: 2, Skipped: 1, Cells: 1, Unused: []string{"there is one"}}, ""},
		"for every reason": {
			of(good, passed, elsewhere, finding.Finding{ID: "c", Result: finding.Skipped, Reason: "there is one server, which agrees with itself"}),
			labtest.Tally{Passed: 1, Skipped: 2, Cells: 1}, "",
		},
		"a skipped cell":             {of(cells(finding.Cell{Result: finding.Skipped, Reason: "there is one server"}), passed), labtest.Tally{Passed: 1, Unused: []string{"it runs at "}}, ""},
		"skipped for another reason": {of(good, passed, finding.Finding{ID: "b", Result: finding.Skipped, Reason: "luck"}), labtest.Tally{}, "b at : skipped: luck"},
		"known to fail": {
			of(good, passed, finding.Finding{ID: "b", Result: finding.Fail, Known: "no ACLs"}),
			labtest.Tally{Passed: 1, Cells: 1, Known: 1, Unused: []string{"it runs at ", "there is one"}}, "",
		},
		"a failure":                   {of(good, passed, finding.Finding{ID: "b", Result: finding.Fail}), labtest.Tally{}, "b at : fail"},
		"inconclusive for a reason":   {of(good, passed, finding.Finding{ID: "b", Result: finding.Inconclusive, Reason: "it runs at client-2"}), labtest.Tally{}, "b at : inconclusive"},
		"a cell that fails":           {of(cells(finding.Cell{Result: finding.Fail}), passed), labtest.Tally{}, "none at : fail"},
		"a cell, for another reason":  {of(cells(finding.Cell{Result: finding.Skipped, Reason: "luck"}), passed), labtest.Tally{}, "none at : skipped"},
		"a cell that is inconclusive": {of(cells(finding.Cell{Result: finding.Inconclusive}), passed), labtest.Tally{}, "none at : inconclusive"},
		"no matrix":                   {of(nil, passed), labtest.Tally{}, "there is no matrix"},
		"nothing passes":              {of(good, elsewhere), labtest.Tally{}, "no check passed"},
	} {
		c := &complaints{TB: t}
		got := labtest.AllPass(c, test.report, "it runs at ", "there is one")
		if test.says == "" && (len(c.said) > 0 || cmp.Diff(test.want, got) != "") {
			t.Errorf("%s: %+v, want %+v; it says %q", name, got, test.want, c.said)
		}
		if test.says != "" && (len(c.said) != 1 || !slices.ContainsFunc(c.said, func(s string) bool { return strings.HasPrefix(s, test.says) })) {
			t.Errorf("%s: it says %q, want %q", name, c.said, test.says)
		}
	}
}
