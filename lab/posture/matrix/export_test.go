package matrix

import (
	"context"
	"crypto/x509"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// Want returns the wanted outcome of the kind at the endpoint.
func Want(e Endpoint, k caller.Kind) probe.Outcome { return e.want(k) }

// Control returns the endpoint's control.
func Control(e Endpoint, p caller.Set, gossipKey string) probe.Probe { return control(e, p, gossipKey) }

// TryOneByOne tries the kinds at an endpoint, at which callers send onProbe and controls send control.
func TryOneByOne(ctx context.Context, e Endpoint, t probe.Target, p caller.Set, onProbe, control probe.Probe, kinds ...caller.Kind) []finding.Cell {
	c := &column{endpoint: e, target: t, callers: p, probe: func(probe.Caller) probe.Probe { return onProbe }, control: control}
	var cells []finding.Cell
	for _, k := range kinds {
		cells = append(cells, c.try(ctx, k))
	}
	return cells
}

// Worst returns the worst of the cells of the servers.
func Worst(names []string, cells []finding.Cell) finding.Cell { return worst(names, cells) }

// WantAt returns what a server with that CA bundle does, and what that rests on.
func WantAt(e Endpoint, k caller.Kind, callers caller.Set, bundle []*x509.Certificate) (probe.Outcome, string) {
	return e.wantAt(k, callers, bundle, "")
}
