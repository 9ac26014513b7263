package inspect_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
)

// TestALabOfTwoRegions: each region is asked with certificates of its own, and what one may do to the other is refused.
func TestALabOfTwoRegions(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Hardened(), func(s *lab.Spec) {
		one := 1
		s.Regions = []lab.Region{{Name: "global", Servers: &one, Clients: &one}, {Name: "eu", Servers: &one, Clients: &one}}
	})
	r, err := inspect.Lab(t.Context(), l, inspect.Options{Quick: true})
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string][]string{}
	for _, f := range r.Findings {
		asked[f.ID] = append(asked[f.ID], f.Node)
		if f.Verdict == finding.Broken || f.Verdict == finding.NotCarriedOut {
			t.Errorf("%s at %s: %s because %s", f.ID, f.Node, f.Verdict, f.Reason)
		}
	}
	for _, id := range []string{"rpc-refuses-client-of-another-region", "rpc-gives-root-keys-to-no-other-region", "raft-refuses-server-of-another-region"} {
		if got := asked[id]; len(got) != 2 {
			t.Errorf("%s was asked of %v, want a server of each region", id, got)
		}
	}
	if !slices.IsSortedFunc(r.Findings, func(a, b finding.Finding) int {
		return slices.IndexFunc(r.Findings, func(f finding.Finding) bool { return f.ID == a.ID }) - slices.IndexFunc(r.Findings, func(f finding.Finding) bool { return f.ID == b.ID })
	}) {
		t.Error("findings of one check do not stand together")
	}
	if len(r.Matrix.Nodes) != 2 {
		t.Errorf("the matrix was tried at %v", r.Matrix.Nodes)
	}
	each(t, r.Matrix, func(row finding.MatrixRow, c finding.Cell) {
		if c.Verdict == finding.Broken || c.Verdict == finding.NotCarriedOut {
			t.Errorf("%s at %s is %s at %v: %s", row.Certificate, c.Entry, c.Verdict, c.At, c.Reason)
		}
	})
}
