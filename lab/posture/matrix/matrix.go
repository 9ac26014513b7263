package matrix

import (
	"context"
	"fmt"
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
	for column, e := range Entries() {
		m.Entries = append(m.Entries, string(e))
		canary := canary(e, parties, gossipKey)
		columns.Go(func() {
			for row, k := range party.Kinds() {
				m.Rows[row].Cells[column] = try(ctx, t, e, k, parties, canary)
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

// try tries one certificate at one entry. A refusal counts only between canaries that are let in.
func try(ctx context.Context, t probe.Target, e Entry, k party.Kind, parties party.Parties, canary probe.Probe) finding.Cell {
	want := e.want(k)
	cell := finding.Cell{Entry: string(e), Want: string(want), Verdict: finding.Skipped}
	caller, lacks := parties.Caller(k)
	switch {
	case t.At(e.plane()) == "":
		cell.Reason = fmt.Sprintf("%s has no address for the %s plane", t.Name, e.plane())
		return cell
	case lacks != "":
		cell.Reason = lacks
		return cell
	}
	before := observe(ctx, &cell, finding.ControlBefore, canary, t)
	o := observe(ctx, &cell, finding.Probe, e.knock(caller), t)
	after := observe(ctx, &cell, finding.ControlAfter, canary, t)
	if o.Refused() && (before != probe.Accepted || after != probe.Accepted) {
		cell.Outcome, cell.Verdict = string(probe.NotReached), finding.NotCarriedOut
		cell.Reason = fmt.Sprintf("refused, but so was who should be let in: the canary gave %q before and %q after", before, after)
		return cell
	}
	cell.Outcome = string(o)
	cell.Verdict, cell.Reason = judge(o, want)
	return cell
}

// judge compares what happened with what is known of Nomad.
func judge(o, want probe.Outcome) (finding.Verdict, string) {
	switch {
	case o == want:
		return finding.Held, fmt.Sprintf("%s, as Nomad 1.11.3 does", o)
	case o == probe.Accepted, o.Refused():
		return finding.Broken, fmt.Sprintf("%s, where Nomad 1.11.3 with every check on gives %q", o, want)
	default:
		return finding.NotCarriedOut, fmt.Sprintf("%s proves nothing", o)
	}
}

// observe runs a probe for the cell and keeps what it saw as evidence.
func observe(ctx context.Context, c *finding.Cell, part finding.Part, p probe.Probe, t probe.Target) probe.Outcome {
	o := p.Observe(ctx, t)
	c.Evidence = append(c.Evidence, finding.Evidence{
		Part: part, Did: p.Sentence, Outcome: string(o.Outcome), Sent: o.Sent, Received: o.Received,
		TLSVersion: o.TLSVersion, CipherSuite: o.CipherSuite, Error: o.Err, Took: o.Took,
	})
	return o.Outcome
}
