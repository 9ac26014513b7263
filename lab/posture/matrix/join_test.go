package matrix_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/matrix"
)

// TestJoin: the worst of both is told, with where it was seen and what was seen elsewhere.
func TestJoin(t *testing.T) {
	const broken, held, skipped = finding.Fail, finding.Pass, finding.Skipped
	cell := func(v, elsewhere finding.Result, reason string, at ...string) finding.Cell {
		return finding.Cell{Endpoint: "Raft", Result: v, Elsewhere: elsewhere, Reason: reason, At: at}
	}
	of := func(c finding.Cell, nodes ...string) *finding.Matrix {
		return &finding.Matrix{Nodes: nodes, Endpoints: []string{"Raft"}, Rows: []finding.MatrixRow{{Certificate: "none", Cells: []finding.Cell{c}}}}
	}
	for name, c := range map[string]struct{ a, b, want finding.Cell }{
		"both alike":               {cell(held, "", "as known"), cell(held, "", "as known"), cell(held, "", "as known")},
		"one is broken":            {cell(held, "", "as known"), cell(broken, "", "let in"), cell(broken, held, "let in", "b1", "b2")},
		"one is broken at one":     {cell(broken, held, "let in", "a1"), cell(held, "", "as known"), cell(broken, held, "let in", "a1")},
		"both are broken":          {cell(broken, "", "x"), cell(broken, "", "y"), cell(broken, "", "x; y")},
		"both at one":              {cell(broken, held, "x", "a1"), cell(broken, skipped, "x", "b2"), cell(broken, held, "x", "a1", "b2")},
		"asked of leaders alone":   {cell(held, skipped, "x", "a1"), cell(held, skipped, "x", "b2"), cell(held, skipped, "x", "a1", "b2")},
		"skipped in one, all held": {cell(skipped, "", "no key"), cell(held, "", "as known"), cell(held, skipped, "as known", "b1", "b2")},
	} {
		got := matrix.Join(of(c.a, "a1", "a2"), of(c.b, "b1", "b2"))
		if diff := cmp.Diff(c.want, got.Rows[0].Cells[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(got.Nodes) != 4 {
			t.Errorf("%s: it is of %v", name, got.Nodes)
		}
	}
	if one := of(cell(held, "", "")); matrix.Join(nil, one) != one || matrix.Join(one, nil) != one {
		t.Error("one matrix alone is not itself")
	}
}
