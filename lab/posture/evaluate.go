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
// it has something to say, and the control again. Its verdict is
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
//   - Skipped when the target has not the role or the listener, its Bounds forbid a request, or an ingredient of
//     the control lacks.
//
// That another agent decides on the request (Spec.PassedOn) is for Run to say, which tries that agent too.
//
// The finding's outcome is "not reached" for a refusal between controls of which one
// was not let in.
//
// A Safe or Guarded check's probe runs even when its control has failed, so that what an
// open agent gives away is still among the evidence.
func (c Check) Evaluate(ctx context.Context, t probe.Target) (f finding.Finding) {
	start := time.Now()
	f = c.blank(t)
	defer func() { f.Took = time.Since(start) }()

	if c.spec.Control.IsZero() {
		f.Verdict, f.Reason = finding.NotCarriedOut, "the check is empty: build it with posture.New"
		return f
	}
	if !c.appliesTo(t.Role) {
		f.Verdict, f.Reason = finding.Skipped, fmt.Sprintf("the check is for agents of role %v; %s is of role %q", c.spec.Roles, t.Name, t.Role)
		return f
	}
	if c.silent(&f, t) {
		return f
	}
	if reason := cmp.Or(c.spec.Probe.Inapplicable(t), c.spec.Control.Inapplicable(t)); reason != "" {
		f.Verdict, f.Reason = finding.Skipped, reason
		return f
	}
	r := c.run(ctx, t)
	f.Evidence = r.evidence
	f.Outcome = string(c.outcome(r))
	f.Verdict, f.Reason = c.judge(r)
	if f.Verdict == finding.NotCarriedOut {
		c.silent(&f, t) // where a port has stopped answering meanwhile, that is the reason
	}
	return f
}

// silent reports whether the target has a port silent that the check calls, and says so in the finding.
func (c Check) silent(f *finding.Finding, t probe.Target) bool {
	why := cmp.Or(c.spec.Probe.Silent(t), c.spec.Control.Silent(t))
	if why == "" {
		return false
	}
	f.Verdict, f.Outcome, f.Reason = finding.NotCarriedOut, string(probe.NotReached), why
	return true
}

// passedTo is the name of the agent to which the target passes the request on, where that agent decided that the probe was let
// in: the same one before and after a probe with that very outcome. Empty where the target decides itself, or where this
// cannot be told, as while leadership moves.
func (c Check) passedTo(ctx context.Context, t probe.Target, outcome string) string {
	if c.spec.PassedOn == nil {
		return ""
	}
	for range tries {
		before, passes := c.spec.PassedOn(ctx, t)
		if !passes {
			return ""
		}
		again := c.spec.Probe.Observe(ctx, t)
		after, still := c.spec.PassedOn(ctx, t)
		if still && after.Name == before.Name && string(again.Outcome) == outcome {
			return before.Name
		}
	}
	return ""
}

// blank is a finding with all that is known before anything is tried.
func (c Check) blank(t probe.Target) finding.Finding {
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
	// unheard is why a part said nothing however often it was tried; empty where none did.
	unheard  string
	log      logState
	logErr   error
	evidence []finding.Evidence
}

// run runs the parts in their order.
func (c Check) run(ctx context.Context, t probe.Target) run {
	var r run
	r.before = r.observe(ctx, finding.ControlBefore, c.spec.Control, t)
	controlled := c.spec.Want.opposite().has(r.before)
	// What leaves a trace is tried without its control only where an ingredient of that lacks: being let in shows all the same
	// that the promise is broken. Where the control failed, as at an agent that hangs, it would wait to clean up what never was.
	if !controlled && !c.spec.Kind.harmless() && (c.spec.Kind == Destructive || c.spec.Lacks == "") {
		return r
	}
	// Marked only now: what the log said earlier is not about this probe.
	watch := c.watch(t)
	r.probe = r.observe(ctx, finding.Probe, c.spec.Probe, t)
	r.answer = r.evidence[len(r.evidence)-1].Received
	if !controlled {
		return r
	}
	if c.spec.Want.has(r.probe) && strings.Contains(r.answer, c.spec.Answer) { // else it fails, whatever the log says
		r.awaitReason(ctx, watch, c.spec.LogWithin)
	}
	r.after = r.observe(ctx, finding.ControlAfter, c.spec.Control, t)
	return r
}

// tries is how often a probe is run that says it is worth another try.
const tries = 3

// observe runs a probe and keeps what it saw as evidence: at last, where it was worth another try.
func (r *run) observe(ctx context.Context, part finding.Part, p probe.Probe, t probe.Target) probe.Outcome {
	o := p.Observe(ctx, t)
	for again := 1; o.Retry && again < tries && ctx.Err() == nil; again++ {
		o = p.Observe(ctx, t)
	}
	if o.Retry {
		r.unheard = fmt.Sprintf(", in %d tries: %s", tries, cmp.Or(o.Received, o.Err))
	}
	r.evidence = append(r.evidence, finding.Evidence{
		Part: part, Did: p.Sentence, Outcome: string(o.Outcome),
		Sent: o.Sent, Received: o.Received,
		TLSVersion: o.TLSVersion, CipherSuite: o.CipherSuite, ServerCertificate: o.ServerCertificate,
		Error: o.Err, Took: o.Took,
	})
	return o.Outcome
}
