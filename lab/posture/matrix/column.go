package matrix

import (
	"context"
	"fmt"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// column is one entry of the target, at which one certificate after another is tried.
type column struct {
	endpoint Endpoint
	target   probe.Target
	callers  caller.Set
	// knock is what a caller does at the entry, control what a sound entry answers.
	probe   func(as probe.Caller) probe.Probe
	control probe.Probe

	// between is the control after the latest certificate: nothing happens at the entry until the next one, so that it is also
	// the control before that. Zero: none was sent.
	between finding.Evidence
	// lost is true once neither a caller nor the controls around it had an answer.
	lost bool
	// gossip is what was seen of gossip, which asks nobody for a certificate: one observation serves all of them. Nil: none yet.
	gossip *finding.Cell
}

// onePing says why the cells of gossip are alike.
const onePing = "gossip knows no certificates, so that one ping without a gossip key was sent to the server for all of them"

// try tries one certificate. A refusal counts only between controls that are let in.
func (c *column) try(ctx context.Context, k caller.Kind) finding.Cell {
	want := c.endpoint.want(k)
	cell := finding.Cell{Endpoint: string(c.endpoint), Want: string(want), Result: finding.Skipped}
	as, missing := c.callers.Caller(k)
	switch {
	case c.target.At(c.endpoint.plane()) == "" && c.target.Silent.At(c.endpoint.plane()) == "":
		cell.Reason = fmt.Sprintf("%s has no address for the %s plane", c.target.Name, c.endpoint.plane())
		return cell
	case missing != "":
		cell.Reason = missing
		return cell
	case c.gossip != nil:
		return *c.gossip
	case c.target.Silent.At(c.endpoint.plane()) != "":
		cell.Outcome, cell.Result, cell.Reason = string(probe.NotReached), finding.Inconclusive, c.target.Silent.At(c.endpoint.plane())
		return cell
	case c.lost:
		// Each further one could take as long as a probe may, for nothing.
		cell.Outcome, cell.Result = string(probe.NotReached), finding.Inconclusive
		cell.Reason = fmt.Sprintf("not tried: %s had stopped answering there", c.target.Name)
		return cell
	}
	before := c.before(ctx)
	probed := observe(ctx, c.probe(as), c.target, finding.Probe)
	after := observe(ctx, c.control, c.target, finding.ControlAfter)
	c.between = after
	c.lost = unreached(before) && unreached(probed) && unreached(after)
	cell.Evidence = []finding.Evidence{before, probed, after}
	judge(&cell, before, probed, after)
	if why := c.target.WithoutTLS(c.endpoint.plane()); !why.IsZero() && cell.Result == finding.Inconclusive && before.Outcome == string(probe.RefusedInHandshake) {
		cell.Reason = why.Error() // a server that is open is not to hide behind those that are not
	}
	if c.endpoint == Gossip {
		cell.Reason += "; " + onePing
		c.gossip = &cell
	}
	return cell
}

// before is the control before a certificate. One that was not let in is sent again, so that it spoils no more than the
// cell that it was sent for.
func (c *column) before(ctx context.Context) finding.Evidence {
	if c.between.Outcome != string(probe.Accepted) {
		return observe(ctx, c.control, c.target, finding.ControlBefore)
	}
	e := c.between
	e.Part = finding.ControlBefore
	return e
}

// judge compares what happened with what is known of Nomad.
func judge(c *finding.Cell, before, probed, after finding.Evidence) {
	o, in := probe.Outcome(probed.Outcome), string(probe.Accepted)
	c.Outcome, c.Result = probed.Outcome, finding.Inconclusive
	switch {
	case o.Refused() && (before.Outcome != in || after.Outcome != in):
		c.Outcome = string(probe.NotReached)
		c.Reason = fmt.Sprintf("refused, but so was who should be let in: the control gave %q before and %q after", before.Outcome, after.Outcome)
	case c.Outcome == c.Want:
		c.Result, c.Reason = finding.Pass, fmt.Sprintf("%s, as Nomad 1.11.3 does", o)
	case o == probe.Accepted, o.Refused():
		c.Result, c.Reason = finding.Fail, fmt.Sprintf("%s, where Nomad 1.11.3 with every check on gives %q", o, c.Want)
	default:
		c.Reason = fmt.Sprintf("%s proves nothing", o)
	}
}

func unreached(e finding.Evidence) bool { return e.Outcome == string(probe.NotReached) }

// see runs a probe, and is what it saw.
func observe(ctx context.Context, p probe.Probe, t probe.Target, part finding.Part) finding.Evidence {
	o := p.Insist(ctx, t)
	return finding.Evidence{
		Part: part, Did: p.Sentence, Outcome: string(o.Outcome), Sent: o.Sent, Received: o.Received,
		TLSVersion: o.TLSVersion, CipherSuite: o.CipherSuite, Error: o.Err, Took: o.Took,
	}
}
