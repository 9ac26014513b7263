package labtest

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
)

// Tally counts the results in a report.
type Tally struct {
	// Passed and Skipped count findings, Cells counts the cells of the matrix that pass.
	Passed, Skipped, Cells int
	// Known counts findings that fail for a known reason, such as that a lab has no ACLs; see finding.Finding.Known.
	Known int
	// Unused are the allowed reasons for which nothing was skipped.
	Unused []string
}

// AllPass fails the test for each finding, and each cell of the matrix, that fails or is inconclusive, and for each that is
// skipped for a reason that contains none of the given reasons. It also fails the test if no finding passes, or there is no
// matrix. Findings that are known to fail are only counted.
func AllPass(t testing.TB, r finding.Report, reasons ...string) Tally {
	t.Helper()
	var got Tally
	all := allowed{reasons: reasons, used: map[string]bool{}}
	for _, f := range r.Findings {
		switch {
		case f.Result == finding.Pass:
			got.Passed++
		case f.Result == finding.Fail && f.Known != "":
			got.Known++
		case f.Result == finding.Skipped && all.has(f.Reason):
			got.Skipped++
		default:
			t.Errorf("%s at %s: %s: %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	if r.Matrix == nil {
		t.Errorf("there is no matrix")
		r.Matrix = &finding.Matrix{}
	}
	for _, row := range r.Matrix.Rows {
		for _, c := range row.Cells {
			switch {
			case c.Result == finding.Pass:
				got.Cells++
			case c.Result != finding.Skipped || !all.has(c.Reason):
				t.Errorf("%s at %s: %s at %v: %s", row.Certificate, c.Endpoint, c.Result, c.At, c.Reason)
			}
		}
	}
	if got.Passed == 0 {
		t.Errorf("no check passed")
	}
	got.Unused = all.unused()
	return got
}

// allowed are the reasons for which something may be skipped, and those for which something was.
type allowed struct {
	reasons []string
	used    map[string]bool
}

// has reports whether the reason contains one of the allowed ones, and notes which.
func (a allowed) has(reason string) (known bool) {
	for _, why := range a.reasons {
		if strings.Contains(reason, why) {
			a.used[why], known = true, true
		}
	}
	return known
}

// unused returns the reasons for which nothing was skipped, or nil.
func (a allowed) unused() (out []string) {
	for _, why := range a.reasons {
		if !a.used[why] {
			out = append(out, why)
		}
	}
	return out
}
