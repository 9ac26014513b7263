package matrix_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/matrix"
)

// TestJoin: the worse cell counts, with where it was seen and what was seen elsewhere.
func TestJoin(t *testing.T) {
	const fail, pass, skipped = finding.Fail, finding.Pass, finding.Skipped
	cell := func(v, elsewhere finding.Result, reason string, at ...string) finding.Cell {
		return finding.Cell{Endpoint: "Raft", Result: v, Elsewhere: elsewhere, Reason: reason, At: at}
	}
	of := func(c finding.Cell, nodes ...string) *finding.Matrix {
		return &finding.Matrix{Nodes: nodes, Endpoints: []string{"Raft"}, Rows: []finding.MatrixRow{{Certificate: "none", Cells: []finding.Cell{c}}}}
	}
	for name, c := range map[string]struct{ a, b, want finding.Cell }{
		"both alike":               {cell(pass, "", "as known"), cell(pass, "", "as known"), cell(pass, "", "as known")},
		"one fails":                {cell(pass, "", "as known"), cell(fail, "", "let in"), cell(fail, pass, "let in", "b1", "b2")},
		"one fails at one server":  {cell(fail, pass, "let in", "a1"), cell(pass, "", "as known"), cell(fail, pass, "let in", "a1")},
		"both fail":                {cell(fail, "", "x"), cell(fail, "", "y"), cell(fail, "", "x; y")},
		"both at one":              {cell(fail, pass, "x", "a1"), cell(fail, skipped, "x", "b2"), cell(fail, pass, "x", "a1", "b2")},
		"asked of leaders alone":   {cell(pass, skipped, "x", "a1"), cell(pass, skipped, "x", "b2"), cell(pass, skipped, "x", "a1", "b2")},
		"skipped in one, all pass": {cell(skipped, "", "no key"), cell(pass, "", "as known"), cell(pass, skipped, "as known", "b1", "b2")},
	} {
		got := matrix.Join(of(c.a, "a1", "a2"), of(c.b, "b1", "b2"))
		if diff := cmp.Diff(c.want, got.Rows[0].Cells[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(got.Nodes) != 4 {
			t.Errorf("%s: it is of %v", name, got.Nodes)
		}
	}
	if one := of(cell(pass, "", "")); matrix.Join(nil, one) != one || matrix.Join(one, nil) != one {
		t.Error("one matrix alone is not itself")
	}
}
