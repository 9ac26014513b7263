package inspect

import (
	"context"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/matrix"
)

// leaderTries is how often the matrix is probed while leadership moves.
const leaderTries = 3

// probeMatrix probes the matrix at the leader. A follower passes some calls on before it looks at the caller's names
// (nomad/node_endpoint.go:102), so that a server which has lost its leadership meanwhile would look open: the matrix is probed
// again then, and what it passes on is not told of one that keeps losing it.
func (s subject) probeMatrix(ctx context.Context) *finding.Matrix {
	var m *finding.Matrix
	for range leaderTries {
		before := s.lead(ctx)
		m = matrix.Probe(ctx, s.targets, s.ingredients.Parties, s.ingredients.GossipKey)
		if m == nil || before == "" || s.lead(ctx) == before {
			return m
		}
	}
	for _, row := range m.Rows {
		for i, c := range row.Cells {
			if c.Entry == string(matrix.NodeRegister) && c.Verdict != finding.Skipped {
				row.Cells[i].Verdict, row.Cells[i].Reason = finding.NotCarriedOut, "it was asked while leadership moved, and a follower passes it on"
			}
		}
	}
	return m
}

// lead marks the leader among the targets, and returns its name. Where the servers agree on none, or one hangs, it is empty, and
// the targets stay as they are.
func (s subject) lead(ctx context.Context) (name string) {
	if s.leader == nil {
		return ""
	}
	if name = s.leader(ctx); name == "" {
		return ""
	}
	for i := range s.targets {
		s.targets[i].Leader = s.targets[i].Name == name
	}
	return name
}
