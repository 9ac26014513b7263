package inspect_test

import (
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// each is given every cell of the matrix, of which there must be one for each kind and endpoint.
func each(t *testing.T, m *finding.Matrix, do func(finding.MatrixRow, finding.Cell)) {
	t.Helper()
	if m == nil || len(m.Rows) != len(caller.Kinds()) {
		t.Fatal("the matrix was not probed")
	}
	for _, row := range m.Rows {
		if len(row.Cells) != len(matrix.Endpoints()) {
			t.Fatalf("%s was tried at %d endpoints of %d", row.Certificate, len(row.Cells), len(matrix.Endpoints()))
		}
		for _, c := range row.Cells {
			do(row, c)
		}
	}
}

// TestMatrixOfALeaderThatIsAway: one that hangs, and one whose machine has lost its power, do not count as refusing.
func TestMatrixOfALeaderThatIsAway(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Servers(1), spec.Clients(0))
	leader := labtest.Leader(t, l)
	targets := inspect.Targets(l) // as it was when it led
	targets[0].Leader = true
	callers, err := caller.Mint(l.Authority(), leader.Region())
	if err != nil {
		t.Fatal(err)
	}
	probeMatrix := func() *finding.Matrix {
		return matrix.Probe(t.Context(), targets, matrix.Ingredients{Callers: callers, GossipKey: l.GossipKey()})
	}
	each(t, probeMatrix(), func(row finding.MatrixRow, c finding.Cell) { // the control: it is there, and answers
		if c.Result != finding.Pass {
			t.Errorf("%s at %s is %q, %s: %s", row.Certificate, c.Endpoint, c.Outcome, c.Result, c.Reason)
		}
	})
	away := func(so string) {
		t.Helper()
		each(t, probeMatrix(), func(row finding.MatrixRow, c finding.Cell) {
			if c.Result != finding.Inconclusive || c.Outcome != string(probe.NotReached) {
				t.Errorf("the leader %s, and yet %s at %s is %q, %s: %s", so, row.Certificate, c.Endpoint, c.Outcome, c.Result, c.Reason)
			}
		})
	}
	if err := leader.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	away("hangs")
	if err := leader.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	away("is dead")
}
