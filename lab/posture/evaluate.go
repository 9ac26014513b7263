package posture

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// Evaluate tries the check at the target: the control, the probe, the log where
// it has something to say, and the control again. Its result is
//
//   - Held only when both controls gave their outcome, the probe gave a wanted
//     one, and a readable log showed the reason, for this caller where the
//     Target says who that is;
//   - Broken when the probe was accepted and should not have been, or when both
//     controls gave their outcome and the probe another than
//     was wanted;
//   - NotCarriedOut when a control did not give its outcome, the probe did not
//     reach the agent or failed, or the log does not show the reason;
//   - NotCarriedOut, for that port's reason, when a port that is called does not answer, from the start or
//     from a moment in the middle on (probe.Silence);
//   - Skipped when the target has not the role or the listener, its Bounds forbid a request, an ingredient of
//     the control lacks, or the agent has nothing of the kind that is looked at (probe.Observation.Nothing).
//
// That another agent decides on the request (Spec.PassedOn) is for Run to say, which tries that agent too.
//
// The finding's outcome is "not reached" for a refusal between controls of which one
// was not let in.
//
// A Safe or Guarded check's probe runs even when its control has failed, so that what an
// open agent gives away is still among the evidence. A check that leaves no trace is tried again for some seconds while the
// servers are electing a leader (probe.Observation.Unsettled).
func (c Check) Evaluate(ctx context.Context, t probe.Target) finding.Finding {
	v := c.evaluate(ctx, t)
	if v.unsettled {
		v = c.settle(ctx, t)
	}
	return v.Finding
}

// electing is how long servers that have lost their leader are given for another: with any raft_multiplier a few seconds
// (nomad/config.go), and on a busy machine more. It is the same there, as servers that never have one are not to cost minutes.
const electionTimeout = 6 * time.Second

// settle evaluates the check again and again, while the servers are electing a leader, and for no longer than that may take.
func (c Check) settle(ctx context.Context, t probe.Target) evaluation {
	waiting, cancel := context.WithTimeout(ctx, electionTimeout)
	defer cancel()
	const often, seldom = 50 * time.Millisecond, 500 * time.Millisecond
	for pause := often; ; pause = min(2*pause, seldom) {
		v := c.evaluate(ctx, t)
		if !v.unsettled {
			return v
		}
		select {
		case <-waiting.Done():
			return v
		case <-time.After(pause):
		}
	}
}

// view is one evaluation of a check at a target.
type evaluation struct {
	finding.Finding
	// nothing is of what the agent has nothing.
	nothing probe.Nothing
	// unsettled is true for what was not carried out, and may be some seconds later.
	unsettled bool
}

// evaluate tries the check once.
func (c Check) evaluate(ctx context.Context, t probe.Target) (v evaluation) {
	start := time.Now()
	v.Finding = c.newFinding(t)
	defer func() { v.Took = time.Since(start) }()

	if c.spec.Control.IsZero() {
		v.Result, v.Reason = finding.Inconclusive, "the check is empty: build it with posture.New"
		return v
	}
	if !c.appliesTo(t.Role) {
		v.Result, v.Reason = finding.Skipped, fmt.Sprintf("the check is for agents of role %v; %s is of role %q", c.spec.Roles, t.Name, t.Role)
		return v
	}
	if c.reportSilentPort(&v.Finding, t) {
		return v
	}
	if reason := cmp.Or(c.spec.Probe.Inapplicable(t), c.spec.Control.Inapplicable(t)); reason != "" {
		v.Result, v.Reason = finding.Skipped, reason
		return v
	}
	r := c.run(ctx, t)
	if c.spec.Lacks == "" { // else it is skipped for that
		v.nothing = r.nothing
	}
	v.Evidence = r.evidence
	v.Outcome = string(c.outcome(r))
	v.Result, v.Reason = c.judge(r)
	if v.Result == finding.Inconclusive {
		v.unsettled = !c.reportSilentPort(&v.Finding, t) && r.unsettled && c.spec.Kind.harmless() // where a port has stopped answering meanwhile, that is the reason
	}
	return v
}

// silent reports whether the target has a port silent that the check calls, and says so in the finding.
func (c Check) reportSilentPort(f *finding.Finding, t probe.Target) bool {
	why := cmp.Or(c.spec.Probe.Silent(t), c.spec.Control.Silent(t))
	if why == "" {
		return false
	}
	f.Result, f.Outcome, f.Reason = finding.Inconclusive, string(probe.NotReached), why
	return true
}

// passedTo is the name of the agent to which the target passes the request on, where that agent decided that the probe was let
// in: the same one before and after a probe with that very outcome. Empty where the target decides itself, or where this
// cannot be told, as while leadership moves.
func (c Check) forwardedTo(ctx context.Context, t probe.Target, outcome string) string {
	if c.spec.ForwardedTo == nil {
		return ""
	}
	for range probe.Tries {
		before, passes := c.spec.ForwardedTo(ctx, t)
		if !passes {
			return ""
		}
		again := c.spec.Probe.Observe(ctx, t)
		after, still := c.spec.ForwardedTo(ctx, t)
		if still && after.Name == before.Name && string(again.Outcome) == outcome {
			return before.Name
		}
	}
	return ""
}

// blank is a finding with all that is known before anything is tried.
func (c Check) newFinding(t probe.Target) finding.Finding {
	return finding.Finding{
		ID: c.spec.ID, Title: c.spec.Title, Plane: string(c.spec.Plane),
		Kind: string(c.spec.Kind), Severity: string(c.spec.Severity),
		Node: t.Name, Want: c.spec.Want.strings(), Why: c.spec.Why, Settings: slices.Clone(c.spec.Settings),
		Control: c.spec.Control.Sentence, Local: c.spec.Local,
	}
}

// appliesTo says whether the check is for agents of that role.
func (c Check) appliesTo(role pki.Role) bool {
	return len(c.spec.Roles) == 0 || slices.Contains(c.spec.Roles, role)
}

// run is what was seen; the zero outcome is of a part that did not run.
type run struct {
	before, probe, after probe.Outcome
	answer               string
	// nothing is why the agent has nothing of the kind that the probe looks at, such as no TLS.
	nothing probe.Nothing
	// unsettled is true where a part may say more some seconds later.
	unsettled bool
	// unheard is why a part said nothing however often it was tried; empty where it did not.
	unanswered  map[finding.Part]string
	log      logState
	logErr   error
	evidence []finding.Evidence
}

// run runs the parts in their order.
func (c Check) run(ctx context.Context, t probe.Target) run {
	r := run{unanswered: map[finding.Part]string{}}
	r.before = r.observe(ctx, finding.ControlBefore, c.spec.Control, t).Outcome
	controlled := c.spec.Want.opposite().has(r.before)
	// What leaves a trace is tried without its control only where an ingredient of that lacks: being let in shows all the same
	// that the promise is broken. Where the control failed, as at an agent that hangs, it would wait to clean up what never was.
	if !controlled && !c.spec.Kind.harmless() && (c.spec.Kind == Destructive || c.spec.Lacks == "") {
		return r.withoutControl(c, t)
	}
	// Marked only now: what the log said earlier is not about this probe.
	watch := c.watch(t)
	seen := r.observe(ctx, finding.Probe, c.spec.Probe, t)
	r.probe, r.answer, r.nothing = seen.Outcome, seen.Received, seen.Nothing
	if !controlled {
		return r.withoutControl(c, t)
	}
	if c.spec.Want.has(r.probe) && strings.Contains(r.answer, c.spec.Answer) { // else it fails, whatever the log says
		r.awaitReason(ctx, watch, c.spec.LogWithin)
	}
	r.after = r.observe(ctx, finding.ControlAfter, c.spec.Control, t).Outcome
	return r
}

// without is the run whose control failed, with the reason where that is the agent's lack of TLS and the promise is about TLS: no other
// check judges what an agent does for callers in the clear.
func (r run) withoutControl(c Check, t probe.Target) run {
	aboutTLS := slices.ContainsFunc(c.spec.Settings, func(path string) bool { return strings.HasPrefix(path, "tls.") })
	if aboutTLS && r.before == probe.RefusedInHandshake && r.nothing.IsZero() {
		r.nothing = t.WithoutTLS(c.spec.Control.Plane)
	}
	return r
}

// observe runs a probe and keeps what it saw as evidence: at last, where it was worth another try.
func (r *run) observe(ctx context.Context, part finding.Part, p probe.Probe, t probe.Target) probe.Observation {
	o := p.Insist(ctx, t)
	r.unsettled = r.unsettled || o.Unsettled
	switch {
	case o.Retry:
		r.unanswered[part] = fmt.Sprintf(", in %d tries: %s", probe.Tries, cmp.Or(o.Received, o.Err))
	case o.Unsettled:
		r.unanswered[part] = ": " + cmp.Or(o.Received, o.Err)
	}
	r.evidence = append(r.evidence, finding.Evidence{
		Part: part, Did: p.Sentence, Outcome: string(o.Outcome),
		Sent: o.Sent, Received: o.Received,
		TLSVersion: o.TLSVersion, CipherSuite: o.CipherSuite, ServerCertificate: o.ServerCertificate,
		Error: o.Err, Took: o.Took,
	})
	return o
}
