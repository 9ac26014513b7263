package matrix

import (
	"context"
	"slices"
	"sync"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// Probe tries every kind of certificate at every entry of the leader among the targets, or of the first server where none
// leads: a follower forwards some calls before it looks at the caller's names, and the leader then sees the follower's
// (nomad/node_endpoint.go:102; verified against Nomad 1.11.3). The canary of an entry, a
// caller that it lets in, is the holder of a sound server certificate; that of gossip is a ping with the cluster's gossip
// key, in base64, empty where it is not at hand. It returns nil where there is no server.
func Probe(ctx context.Context, targets []probe.Target, parties party.Parties, gossipKey string) *finding.Matrix {
	isServer := func(t probe.Target) bool { return t.Role == pki.Server }
	first := slices.IndexFunc(targets, func(t probe.Target) bool { return isServer(t) && t.Leader })
	if first < 0 {
		first = slices.IndexFunc(targets, isServer)
	}
	if first < 0 {
		return nil
	}
	return at(ctx, targets[first], parties, gossipKey)
}

// at probes the entries side by side, and at each of them one certificate after another, so that a server is not asked
// more at once than it lets one address ask.
func at(ctx context.Context, t probe.Target, parties party.Parties, gossipKey string) *finding.Matrix {
	m := &finding.Matrix{Node: t.Name}
	for _, k := range party.Kinds() {
		m.Rows = append(m.Rows, finding.MatrixRow{
			Certificate: string(k), Title: k.Title(), Cells: make([]finding.Cell, len(Entries())),
		})
	}
	var columns sync.WaitGroup
	for i, e := range Entries() {
		m.Entries = append(m.Entries, string(e))
		c := &column{entry: e, target: t, parties: parties, knock: e.knock, canary: canary(e, parties, gossipKey)}
		columns.Go(func() {
			for row, k := range party.Kinds() {
				m.Rows[row].Cells[i] = c.try(ctx, k)
			}
		})
	}
	columns.Wait()
	return m
}

// canary is a knock that a sound entry answers.
func canary(e Entry, parties party.Parties, gossipKey string) probe.Probe {
	if e == Gossip {
		if gossipKey == "" {
			return probe.Unavailable(probe.PlaneGossip, "the cluster's gossip key is not at hand")
		}
		return probe.GossipPing(probe.NewGossipKey(gossipKey, "the cluster's gossip key"))
	}
	server, lacks := parties.Caller(party.Server)
	if lacks != "" {
		return probe.Unavailable(e.plane(), lacks)
	}
	return e.knock(server)
}
