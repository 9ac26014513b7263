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
	used := map[string]bool{}
	skipped := func(reason string) (known bool) {
		for _, why := range reasons {
			if strings.Contains(reason, why) {
				used[why], known = true, true
			}
		}
		return known
	}
	for _, f := range r.Findings {
		switch {
		case f.Verdict == finding.Held:
			got.Held++
			continue
		case f.Verdict == finding.Broken && f.Known != "":
			got.Known++
			continue
		case f.Verdict == finding.Skipped:
			got.Skipped++
			if skipped(f.Reason) {
				continue
			}
		}
		t.Errorf("%s at %s is %s: %s", f.ID, f.Node, f.Verdict, f.Reason)
	}
	if r.Matrix == nil {
		t.Errorf("there is no matrix")
		r.Matrix = &finding.Matrix{}
	}
	for _, row := range r.Matrix.Rows {
		for _, c := range row.Cells {
			switch {
			case c.Verdict == finding.Held:
				got.Cells++
				continue
			case c.Verdict == finding.Skipped && skipped(c.Reason):
				continue
			}
			t.Errorf("%s at %s is %s at %v: %s", row.Certificate, c.Entry, c.Verdict, c.At, c.Reason)
		}
	}
	if got.Held == 0 {
		t.Errorf("nothing held")
	}
	for _, why := range reasons {
		if !used[why] {
			got.Unused = append(got.Unused, why)
		}
	}
	return got
}
