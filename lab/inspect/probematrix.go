package inspect

import (
	"context"
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
)

// probeMatrix probes the matrix at the servers of the region for which the strangers' certificates were made.
func (s subject) probeMatrix(ctx context.Context) *finding.Matrix {
	servers := slices.DeleteFunc(slices.Clone(s.targets), func(t probe.Target) bool { return t.Region != s.ingredients.Region })
	return matrix.Probe(ctx, servers, matrix.Ingredients{
		Callers: s.ingredients.Callers, GossipKey: s.ingredients.GossipKey, Leader: s.leader,
	})
}
