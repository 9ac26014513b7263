package matrix

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// column is one endpoint of the target, at which one certificate after another is tried.
type column struct {
	endpoint Endpoint
	target   probe.Target
	callers  caller.Set
	// bundle is what the target trusts. Nil: what the callers' authority says.
	bundle []*x509.Certificate
	// probe is what a caller sends to the endpoint; control is what a sound endpoint accepts.
	probe   func(as probe.Caller) probe.Probe
	control probe.Probe

	// between is the control after the latest certificate. Nothing happens until the next one, so it is also the
	// control before that. Zero: none was sent.
	between finding.Evidence
	// lost is true once neither a caller nor the controls around it had an answer.
	lost bool
	// gossip is the cell of gossip, which asks for no certificate: one observation serves all kinds. Nil: none yet.
	gossip *finding.Cell
}

// onePing is the reason why the cells of gossip are alike.
const onePing = "gossip knows no certificates, so that one ping without a gossip key was sent to the server for all of them"

// try tries one certificate. A refusal counts only between controls that are accepted.
func (c *column) try(ctx context.Context, k caller.Kind) finding.Cell {
	plane := c.endpoint.plane()
	silent := c.target.Silent.At(plane)
	want, because := c.endpoint.wantAt(k, c.callers, c.bundle, c.target.Nomad)
	cell := finding.Cell{Endpoint: string(c.endpoint), Want: string(want), Result: finding.Skipped}
	as, missing := c.callers.Caller(k)
	switch {
	case c.target.At(plane) == "" && silent == "":
		cell.Reason = fmt.Sprintf("%s has no address for the %s plane", c.target.Name, plane)
		return cell
	case missing != "":
		cell.Reason = missing
		return cell
	case c.gossip != nil:
		return *c.gossip
	case silent != "", c.lost: // once lost, each further probe could take until its timeout
		cell.Outcome, cell.Result = string(probe.NotReached), finding.Inconclusive
		cell.Reason = cmp.Or(silent, fmt.Sprintf("not tried: %s had stopped answering there", c.target.Name))
		return cell
	}
	before := c.before(ctx)
	probed := observe(ctx, c.probe(as), c.target, finding.Probe)
	after := observe(ctx, c.control, c.target, finding.ControlAfter)
	c.between = after
	c.lost = unreached(before) && unreached(probed) && unreached(after)
	cell.Evidence = []finding.Evidence{before, probed, after}
	judge(&cell, known(c.target.Nomad), before, probed, after)
	if why := c.target.PlaintextOnly(plane); !why.IsZero() && cell.Result == finding.Inconclusive && before.Outcome == string(probe.RefusedInHandshake) {
		cell.Reason = why.Error() // a server that is open is not to hide behind those that are not
	}
	if because != "" && (cell.Result == finding.Pass || cell.Result == finding.Fail) {
		cell.Reason += "; " + because
	}
	if c.endpoint == Gossip {
		cell.Reason += "; " + onePing
		c.gossip = &cell
	}
	return cell
}

// before returns the control before a certificate. If the latest control was not accepted, it is sent again, so that
// it spoils one cell alone.
func (c *column) before(ctx context.Context) finding.Evidence {
	if c.between.Outcome != string(probe.Accepted) {
		return observe(ctx, c.control, c.target, finding.ControlBefore)
	}
	e := c.between
	e.Part = finding.ControlBefore
	return e
}

// known returns the version of Nomad whose behaviour is expected of an agent of that version: its own if it was verified, or the newest
// that was.
func known(version string) string {
	verified := posture.Verified()
	if release, _, _ := strings.Cut(version, "+"); slices.Contains(verified, release) {
		return release
	}
	return verified[len(verified)-1]
}

// judge compares the outcome with what that version of Nomad is known to do.
func judge(c *finding.Cell, version string, before, probed, after finding.Evidence) {
	o, in := probe.Outcome(probed.Outcome), string(probe.Accepted)
	c.Outcome, c.Result = probed.Outcome, finding.Inconclusive
	switch {
	case o.Refused() && (before.Outcome != in || after.Outcome != in):
		c.Outcome = string(probe.NotReached)
		c.Reason = fmt.Sprintf("refused, but so was who should be let in: the control gave %q before and %q after", before.Outcome, after.Outcome)
	case c.Outcome == c.Want:
		c.Result, c.Reason = finding.Pass, fmt.Sprintf("%s, as Nomad %s does", o, version)
	case o == probe.Accepted, o.Refused():
		c.Result, c.Reason = finding.Fail, fmt.Sprintf("%s, where Nomad %s with every check on gives %q", o, version, c.Want)
	default:
		c.Reason = fmt.Sprintf("%s proves nothing", o)
	}
}

func unreached(e finding.Evidence) bool { return e.Outcome == string(probe.NotReached) }

// observe sends a probe and returns what it observed.
func observe(ctx context.Context, p probe.Probe, t probe.Target, part finding.Part) finding.Evidence {
	o := p.ObserveRetrying(ctx, t)
	return finding.Evidence{
		Part: part, Did: p.Sentence, Outcome: string(o.Outcome), Sent: o.Sent, Received: o.Received,
		TLSVersion: o.TLSVersion, CipherSuite: o.CipherSuite, Error: o.Err, Took: o.Took,
	}
}
