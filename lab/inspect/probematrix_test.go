package inspect_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/spec"
)

// TestMatrixWhenLeadershipHasMoved: a server that led when the run began and follows by the time that the matrix is probed is not
// taken for one that lets others register nodes.
func TestMatrixWhenLeadershipHasMoved(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Clients(0))
	from := labtest.Leader(t, l)
	to := l.Servers()[0]
	if to == from {
		to = l.Servers()[1]
	}
	moved := false
	r, err := inspect.Lab(t.Context(), l, inspect.Options{Only: []string{"server-names-a-leader", inspect.MatrixName}, Tell: func(finding.Finding) {
		if !moved { // after the run has looked at who leads, and before the matrix
			moved = true
			handOver(t, l, from, to)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !moved {
		t.Error("leadership was not moved")
	}
	each(t, r.Matrix, func(row finding.MatrixRow, c finding.Cell) {
		if c.Endpoint == string(matrix.NodeRegister) && !slices.Equal(c.At, []string{to.Name()}) {
			t.Errorf("%s at %s was tried at %v, want %s", row.Certificate, c.Endpoint, c.At, to.Name())
		}
		if c.Result != finding.Pass {
			t.Errorf("%s at %s is %q, %s: %s", row.Certificate, c.Endpoint, c.Outcome, c.Result, c.Reason)
		}
	})
}
