package posture_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// matrixBroken are the cells that must break at a weakening: who gets in where. All others must hold.
type matrixBroken map[party.Kind][]matrix.Entry

// TestMatrixCanFail takes one line away. Exactly those get in whom that line kept out.
func TestMatrixCanFail(t *testing.T) {
	t.Parallel()
	names := []matrix.Entry{matrix.RPCHandshake, matrix.OrdinaryRPC, matrix.NodeRegister, matrix.ServerOnly, matrix.Raft}
	https := []matrix.Entry{matrix.HTTPS}
	for _, test := range []struct {
		weakness lab.Weakness
		broken   matrixBroken
	}{
		{lab.NoVerifyServerHostname, matrixBroken{
			party.CLI: names, party.OtherClient: names, party.NoRegion: names, party.Wildcard: names, party.Capitals: names, party.Web: names,
			party.Client:      {matrix.ServerOnly, matrix.Raft},
			party.OtherServer: {matrix.NodeRegister, matrix.ServerOnly, matrix.Raft},
			party.OtherDomain: {matrix.NodeRegister, matrix.ServerOnly, matrix.Raft},
		}},
		{lab.NoVerifyHTTPSClient, matrixBroken{
			party.None: https, party.Foreign: https, party.SelfSigned: https, party.IntermediateMissing: https,
			party.Expired: https, party.NotYetValid: https, party.ServerAuthOnly: https, party.CodeSigningOnly: https,
		}},
	} {
		t.Run(string(test.weakness), func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, lab.Hardened(), lab.Clients(0), lab.Weaken(test.weakness))
			test.broken.demand(t, inspected(t, l, inspect.Options{Only: []string{inspect.MatrixName}}).Matrix)
		})
	}
}

// demand compares every cell's verdict with what it must be, and who is let in with who must be.
func (b matrixBroken) demand(t *testing.T, m *finding.Matrix) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	each(t, m, func(row finding.MatrixRow, c finding.Cell) {
		at := row.Certificate + " at " + c.Entry
		want[at], got[at] = string(finding.Held)+": "+c.Want, string(c.Verdict)+": "+c.Outcome
		if slices.Contains(b[party.Kind(row.Certificate)], matrix.Entry(c.Entry)) {
			want[at] = string(finding.Broken) + ": " + string(probe.Accepted)
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
}

// each is given every cell of the matrix, of which there must be one for each kind and entry.
func each(t *testing.T, m *finding.Matrix, do func(finding.MatrixRow, finding.Cell)) {
	t.Helper()
	if m == nil || len(m.Rows) != len(party.Kinds()) {
		t.Fatal("the matrix was not probed")
	}
	for _, row := range m.Rows {
		if len(row.Cells) != len(matrix.Entries()) {
			t.Fatalf("%s was tried at %d entries of %d", row.Certificate, len(row.Cells), len(matrix.Entries()))
		}
		for _, c := range row.Cells {
			do(row, c)
		}
	}
}

// TestMatrixOfALeaderThatIsAway: one that hangs, and one whose machine has lost its power, refuse nobody.
func TestMatrixOfALeaderThatIsAway(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Hardened(), lab.Servers(1), lab.Clients(0))
	leader := labtest.Leader(t, l)
	targets := inspect.Targets(l) // as it was when it led
	targets[0].Leader = true
	parties, err := party.Mint(l.Authority(), leader.Region())
	if err != nil {
		t.Fatal(err)
	}
	held := matrix.Probe(t.Context(), targets, parties, l.GossipKey())
	matrixBroken{}.demand(t, held) // the control: it is there, and answers

	if err := leader.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	awayAt(t, "hangs", matrix.Probe(t.Context(), targets, parties, l.GossipKey()))
	if err := leader.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	awayAt(t, "is dead", matrix.Probe(t.Context(), targets, parties, l.GossipKey()))
}

// awayAt demands that nothing was learnt of a leader that is so.
func awayAt(t *testing.T, so string, m *finding.Matrix) {
	t.Helper()
	each(t, m, func(row finding.MatrixRow, c finding.Cell) {
		if c.Verdict != finding.NotCarriedOut || c.Outcome != string(probe.NotReached) {
			t.Errorf("the leader %s, and yet %s at %s is %q, %s: %s", so, row.Certificate, c.Entry, c.Outcome, c.Verdict, c.Reason)
		}
	})
}
