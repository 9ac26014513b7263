package matrix

import (
	"context"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// Want is what the entry is to do with the kind.
func Want(e Entry, k party.Kind) probe.Outcome { return e.want(k) }

// Canary is the entry's canary.
func Canary(e Entry, p party.Parties, gossipKey string) probe.Probe { return canary(e, p, gossipKey) }

// TryOneByOne tries the kinds at an entry of which callers see knock, and canaries see canary.
func TryOneByOne(ctx context.Context, e Entry, t probe.Target, p party.Parties, knock, canary probe.Probe, kinds ...party.Kind) []finding.Cell {
	c := &column{entry: e, target: t, parties: p, knock: func(probe.Caller) probe.Probe { return knock }, canary: canary}
	var cells []finding.Cell
	for _, k := range kinds {
		cells = append(cells, c.try(ctx, k))
	}
	return cells
}

// Worst is the worst of the cells of the servers.
func Worst(names []string, cells []finding.Cell) finding.Cell { return worst(names, cells) }
