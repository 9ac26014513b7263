package matrix

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// Ingredients are what Probe needs.
type Ingredients struct {
	// Callers have the certificates.
	Callers caller.Set
	// GossipKey is the cluster's, in base64; empty if it is not known.
	GossipKey string
	// Bundles are the authorities that each server trusts, by its name. A server that is not in it trusts those of the callers'
	// authority.
	Bundles map[string][]*x509.Certificate
	// Leader returns the name of the server that leads now, or "" if that is not known. Nil: the targets say who
	// leads.
	Leader func(context.Context) string
}

// GoString keeps the gossip key out of %#v.
func (i Ingredients) GoString() string { return "matrix.Ingredients{…}" }

// String keeps the gossip key out of %v.
func (i Ingredients) String() string { return "the ingredients of a matrix" }

// Probe tries every kind of certificate at every endpoint of each server among the targets, as each server has its
// own settings. NodeRegister alone is tried at the leader: a follower forwards it before it verifies the caller's
// names, and the leader then sees the follower's (nomad/node_endpoint.go:102; verified against Nomad 1.11.3). The
// control of an endpoint is a caller with a sound server certificate; that of gossip is a ping with the cluster's
// gossip key. A cell is the worst result at any server, with the servers that gave it. Probe returns nil if no target
// is a server.
func Probe(ctx context.Context, targets []probe.Target, i Ingredients) *finding.Matrix {
	servers := slices.DeleteFunc(slices.Clone(targets), func(t probe.Target) bool { return t.Role != pki.Server })
	if len(servers) == 0 {
		return nil
	}
	// At one endpoint of a server the certificates are tried one after another, so that they stay within the limit of
	// connections of one address. Servers and endpoints are tried side by side, within the same limit.
	seen := map[Endpoint][][]finding.Cell{} // by the server
	var columns errgroup.Group
	columns.SetLimit(atOnce(servers))
	for _, e := range Endpoints() {
		cells := make([][]finding.Cell, len(servers)) // each goroutine writes to places of its own
		seen[e] = cells
		if e == NodeRegister {
			columns.Go(func() error {
				copy(cells, atLeader(ctx, servers, i))
				return nil
			})
			continue
		}
		for at, t := range servers {
			columns.Go(func() error {
				cells[at] = i.column(ctx, e, t)
				return nil
			})
		}
	}
	_ = columns.Wait() // none of them returns an error
	return table(servers, seen)
}

// atOnce returns how many columns may be tried at the same time, at whichever servers; -1 for all.
func atOnce(servers []probe.Target) int {
	least := -1
	for _, t := range servers {
		if n := t.MaxParallel(); n > 0 && (least < 0 || n < least) {
			least = n
		}
	}
	return least
}

// column returns the cells of one endpoint of the target, in the order of the kinds.
func (i Ingredients) column(ctx context.Context, e Endpoint, t probe.Target) []finding.Cell {
	c := &column{endpoint: e, target: t, callers: i.Callers, bundle: i.Bundles[t.Name], probe: e.probe, control: control(e, i.Callers, i.GossipKey)}
	cells := make([]finding.Cell, 0, len(caller.Kinds()))
	for _, k := range caller.Kinds() {
		cells = append(cells, c.try(ctx, k))
	}
	return cells
}

// leaderTries is how often the leader is tried while leadership moves.
const leaderTries = 3

// atLeader returns the columns of NodeRegister, which are skipped at all servers but the leader. A server that loses
// leadership meanwhile forwards requests and would look open: the new leader is then tried.
func atLeader(ctx context.Context, servers []probe.Target, i Ingredients) [][]finding.Cell {
	var tried []finding.Cell
	for range leaderTries {
		at := i.leader(ctx, servers)
		if at < 0 {
			tried = nil
			break
		}
		tried = i.column(ctx, NodeRegister, servers[at])
		if i.leader(ctx, servers) == at {
			return elsewhere(servers, at, tried)
		}
	}
	reason := "it was asked while leadership moved, and a follower passes it on"
	if tried == nil {
		reason = "no server is known to lead, and a follower passes it on"
	}
	all := make([][]finding.Cell, len(servers))
	for at := range servers {
		for _, k := range caller.Kinds() {
			cell := i.untried(NodeRegister, k, servers[at], reason)
			all[at] = append(all[at], cell)
		}
	}
	return all
}

// elsewhere returns the columns of all servers, of which only the one at that place was tried.
func elsewhere(servers []probe.Target, at int, tried []finding.Cell) [][]finding.Cell {
	all := make([][]finding.Cell, len(servers))
	for other := range servers {
		if other == at {
			all[other] = tried
			continue
		}
		for _, c := range tried {
			if c.Result != finding.Skipped { // what lacks, lacks everywhere
				c = finding.Cell{Endpoint: c.Endpoint, Want: c.Want, Result: finding.Skipped, Reason: "a follower passes it on to " + servers[at].Name}
			}
			all[other] = append(all[other], c)
		}
	}
	return all
}

// untried returns the cell of a certificate that was not tried for the reason, or of a kind that is missing.
func (i Ingredients) untried(e Endpoint, k caller.Kind, t probe.Target, reason string) finding.Cell {
	want, _ := e.wantAt(k, i.Callers, i.Bundles[t.Name], t.Nomad)
	c := finding.Cell{Endpoint: string(e), Want: string(want), Outcome: string(probe.NotReached), Result: finding.Inconclusive, Reason: reason}
	if _, missing := i.Callers.Caller(k); missing != "" {
		c.Outcome, c.Result, c.Reason = "", finding.Skipped, missing
	}
	return c
}

// leader returns the place of the leader among the servers; -1 if it is not known.
func (i Ingredients) leader(ctx context.Context, servers []probe.Target) int {
	if i.Leader == nil {
		return slices.IndexFunc(servers, func(t probe.Target) bool { return t.Leader })
	}
	name := i.Leader(ctx)
	return slices.IndexFunc(servers, func(t probe.Target) bool { return name != "" && t.Name == name })
}

// table joins the cells of all servers.
func table(servers []probe.Target, seen map[Endpoint][][]finding.Cell) *finding.Matrix {
	m := &finding.Matrix{}
	for _, t := range servers {
		m.Nodes = append(m.Nodes, t.Name)
	}
	m.Node = strings.Join(m.Nodes, ", ")
	for row, k := range caller.Kinds() {
		r := finding.MatrixRow{Certificate: string(k), Title: k.Title()}
		for _, e := range Endpoints() {
			cells := make([]finding.Cell, len(servers))
			for at := range servers {
				cells[at] = seen[e][at][row]
			}
			r.Cells = append(r.Cells, worst(m.Nodes, cells))
		}
		m.Rows = append(m.Rows, r)
	}
	for _, e := range Endpoints() {
		m.Endpoints = append(m.Endpoints, string(e))
	}
	return m
}

// worst returns the worst of the cells, with the names of the servers that gave it: what one server lets in is let
// in.
func worst(names []string, cells []finding.Cell) finding.Cell {
	first := slices.MinFunc(cells, func(a, b finding.Cell) int { return a.Result.Rank() - b.Result.Rank() })
	next, alike := finding.Skipped, true
	var at, reasons []string
	for i, c := range cells {
		if c.Result != first.Result {
			if c.Result.Rank() < next.Rank() {
				next = c.Result
			}
			continue
		}
		at, reasons = append(at, names[i]), append(reasons, names[i]+": "+c.Reason)
		alike = alike && c.Outcome == first.Outcome
	}
	if !alike {
		first.Reason = strings.Join(reasons, "; ")
	}
	if len(at) < len(cells) {
		first.At, first.Elsewhere = at, next
	}
	return first
}

// control returns the probe that a sound endpoint accepts.
func control(e Endpoint, callers caller.Set, gossipKey string) probe.Probe {
	if e == Gossip {
		if gossipKey == "" {
			return probe.Unavailable(probe.PlaneGossip, "the cluster's gossip key is not at hand")
		}
		return probe.GossipPing(probe.NewGossipKey(gossipKey, "the cluster's gossip key"))
	}
	server, missing := callers.Caller(caller.Server)
	if missing != "" {
		return probe.Unavailable(e.plane(), missing)
	}
	return e.probe(server)
}
