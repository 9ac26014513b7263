package matrix

import (
	"context"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// Want is what the entry is to do with the kind.
func Want(e Endpoint, k caller.Kind) probe.Outcome { return e.want(k) }

// Control is the entry's control.
func Control(e Endpoint, p caller.Set, gossipKey string) probe.Probe { return control(e, p, gossipKey) }

// TryOneByOne tries the kinds at an entry of which callers see knock, and controls see control.
func TryOneByOne(ctx context.Context, e Endpoint, t probe.Target, p caller.Set, onProbe, control probe.Probe, kinds ...caller.Kind) []finding.Cell {
	c := &column{endpoint: e, target: t, callers: p, probe: func(probe.Caller) probe.Probe { return onProbe }, control: control}
	var cells []finding.Cell
	for _, k := range kinds {
		cells = append(cells, c.try(ctx, k))
	}
	return cells
}

// Worst is the worst of the cells of the servers.
func Worst(names []string, cells []finding.Cell) finding.Cell { return worst(names, cells) }
