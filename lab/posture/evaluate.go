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
//   - Skipped when the target has not the role or the listener, its Bounds forbid a request, an ingredient of
//     the control lacks, or another agent decides and lets the probe in itself (Spec.PassedOn).
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
	if reason := c.inapplicable(t); reason != "" {
		f.Verdict, f.Reason = finding.Skipped, reason
		return f
	}
	r := c.run(ctx, t)
	f.Evidence = r.evidence
	f.Outcome = string(c.outcome(r))
	f.Verdict, f.Reason = c.judge(r)
	if f.Verdict == finding.Broken && c.spec.PassedOn != nil {
		if to, passed := c.spec.PassedOn(ctx, t); passed && c.spec.Probe.Observe(ctx, to).Outcome == r.probe {
			f.Verdict, f.Reason = finding.Skipped, fmt.Sprintf("%s passes such requests on to %s, which gives %q itself: see there", t.Name, to.Name, r.probe)
		}
	}
	return f
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

// inapplicable says why the check does not apply to the target; empty if it does.
func (c Check) inapplicable(t probe.Target) string {
	if !c.appliesTo(t.Role) {
		return fmt.Sprintf("the check is for agents of role %v; %s is of role %q", c.spec.Roles, t.Name, t.Role)
	}
	return cmp.Or(c.spec.Probe.Inapplicable(t), c.spec.Control.Inapplicable(t))
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
	if !controlled && !c.spec.Kind.harmless() {
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
