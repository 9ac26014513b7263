package labtest

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
)

// Tally counts what a check found of a sound cluster.
type Tally struct {
	// Held and Skipped count findings, Cells those of the matrix that held.
	Held, Skipped, Cells int
	// Known counts findings that fail for a reason that is written down, as those of a lab without ACLs do; see finding.Finding.
	Known int
	// Unused are the reasons for which nothing was skipped.
	Unused []string
}

// Sound fails the test for what the report of a sound cluster must not have: a finding or a cell of the matrix that fails or is
// inconclusive, and one that is skipped for a reason of which none of these is a part. It fails as well where nothing held, or where there
// is no matrix. What is known to fail is counted alone.
func Sound(t testing.TB, r finding.Report, reasons ...string) Tally {
	t.Helper()
	var got Tally
	all := allowed{reasons: reasons, used: map[string]bool{}}
	for _, f := range r.Findings {
		switch {
		case f.Result == finding.Pass:
			got.Held++
		case f.Result == finding.Fail && f.Known != "":
			got.Known++
		case f.Result == finding.Skipped && all.has(f.Reason):
			got.Skipped++
		default:
			t.Errorf("%s at %s is %s: %s", f.ID, f.Node, f.Result, f.Reason)
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
				t.Errorf("%s at %s is %s at %v: %s", row.Certificate, c.Endpoint, c.Result, c.At, c.Reason)
			}
		}
	}
	if got.Held == 0 {
		t.Errorf("nothing held")
	}
	got.Unused = all.unused()
	return got
}

// allowed are reasons for which something may be skipped, and those for which something was.
type allowed struct {
	reasons []string
	used    map[string]bool
}

// has reports whether one of them is a part of the reason.
func (a allowed) has(reason string) (known bool) {
	for _, why := range a.reasons {
		if strings.Contains(reason, why) {
			a.used[why], known = true, true
		}
	}
	return known
}

// unused are those for which nothing was skipped; nil where there are none.
func (a allowed) unused() (out []string) {
	for _, why := range a.reasons {
		if !a.used[why] {
			out = append(out, why)
		}
	}
	return out
}
