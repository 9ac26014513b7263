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

// Evaluate runs the check at the target: the control, the probe, the search of the log if the check has one, and the
// control again. The result is
//
//   - Pass if both controls had their outcome, the probe had a wanted one, and a readable log showed the reason, for this caller if the
//     target says who that is;
//   - Fail if the probe was accepted and should not have been, or if both controls had their outcome and the probe had an unwanted one;
//   - Inconclusive if a control did not have its outcome, the probe did not reach the agent or failed, the log does not show the reason,
//     or a port that is called does not answer (probe.SilentPorts);
//   - Skipped if the target does not have the role, the version or the listener, its Bounds forbid a request, an ingredient is missing, or the agent
//     has nothing of what is searched (probe.Observation.Nothing).
//
// Evaluate ignores Spec.ForwardedTo: Run handles it, as it runs the check at the other agent too.
//
// The finding's outcome is "not reached" for a refusal beside a control that was refused. The probe of a Safe or
// Guarded check is sent even if its control has failed, so that the evidence shows what an open agent gives away.
// Such a check is repeated for some seconds while the servers elect a leader (probe.Observation.Unsettled).
func (c Check) Evaluate(ctx context.Context, t probe.Target) finding.Finding {
	v := c.evaluate(ctx, t)
	if v.unsettled {
		v = c.settle(ctx, t)
	}
	return v.Finding
}

// electionTimeout is how long servers without a leader are given to elect one: with any raft_multiplier a few seconds
// (nomad/config.go). It is not longer on a busy machine, as servers that never elect one must not cost minutes.
const electionTimeout = 6 * time.Second

// settle repeats the check until the servers have a leader, for at most electionTimeout.
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

// evaluation is one run of a check at a target, judged.
type evaluation struct {
	finding.Finding
	// nothing is what the agent has nothing of; zero otherwise.
	nothing probe.Nothing
	// unsettled is true for an inconclusive result that may be different some seconds later.
	unsettled bool
}

// evaluate runs the check once.
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
	if reason := c.spec.notFor(t.Nomad); reason != "" {
		v.Result, v.Reason, v.Unverified, v.NotForVersion = finding.Skipped, reason, "", true
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
	if c.spec.Missing == "" { // else it is skipped for that
		v.nothing = r.nothing
	}
	v.Evidence = r.evidence
	v.Outcome = string(c.outcome(r))
	v.Result, v.Reason = c.judge(r)
	if v.Result == finding.Inconclusive {
		// A port that has stopped answering meanwhile is the reason.
		v.unsettled = !c.reportSilentPort(&v.Finding, t) && r.unsettled && c.spec.Kind.harmless()
	}
	return v
}

// reportSilentPort reports whether a port of the target that the check calls is silent, and writes that into the
// finding.
func (c Check) reportSilentPort(f *finding.Finding, t probe.Target) bool {
	why := cmp.Or(c.spec.Probe.SilentReason(t), c.spec.Control.SilentReason(t))
	if why == "" {
		return false
	}
	f.Result, f.Outcome, f.Reason = finding.Inconclusive, string(probe.NotReached), why
	return true
}

// forwardedTo returns the name of the agent to which the target forwards the request, if that agent decided that the
// probe was let in: it must be the same one before and after a probe with that outcome. It returns "" if the target
// decides itself, or if it cannot be told, for example while leadership moves.
func (c Check) forwardedTo(ctx context.Context, t probe.Target, outcome string) string {
	if c.spec.ForwardedTo == nil {
		return ""
	}
	for range probe.MaxTries {
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

// newFinding returns a finding with all that is known before the check runs.
func (c Check) newFinding(t probe.Target) finding.Finding {
	return finding.Finding{
		ID: c.spec.ID, Title: c.spec.Title, Plane: string(c.spec.Plane),
		Kind: string(c.spec.Kind), Severity: string(c.spec.Severity),
		Node: t.Name, Want: c.spec.Want.strings(), Why: c.spec.Why, Settings: slices.Clone(c.spec.Settings),
		Control: c.spec.Control.Sentence, Local: c.spec.Local,
		Unverified: c.spec.unverified(t.Nomad),
	}
}

func (c Check) appliesTo(role pki.Role) bool {
	return len(c.spec.Roles) == 0 || slices.Contains(c.spec.Roles, role)
}

// run is what was observed. A part that was not sent has the zero outcome.
type run struct {
	before, probe, after probe.Outcome
	answer               string
	// nothing is what the agent has nothing of, such as TLS; zero otherwise.
	nothing probe.Nothing
	// unsettled is true if a part may have another outcome some seconds later.
	unsettled bool
	// unanswered has, by the part, why it proved nothing however often it was sent.
	unanswered map[finding.Part]string
	// reasonResult is the result of a wanted outcome by what the agent's log says of it, and reason says that in words.
	reasonResult finding.Result
	reason       string
	evidence     []finding.Evidence
}

// run sends the parts in their order.
func (c Check) run(ctx context.Context, t probe.Target) run {
	r := run{unanswered: map[finding.Part]string{}}
	r.before = r.observe(ctx, finding.ControlBefore, c.spec.Control, t).Outcome
	controlled := c.spec.Want.opposite().has(r.before)
	// A check that leaves a trace runs without its control only if an ingredient of the control is missing: being let
	// in still fails the check. If the control has failed, for example at an agent that hangs, its clean-up would
	// wait in vain.
	if !controlled && !c.spec.Kind.harmless() && (c.spec.Kind == Destructive || c.spec.Missing == "") {
		return r.withoutControl(c, t)
	}
	// Earlier lines of the log are not about this probe.
	watch := c.watch(t)
	seen := r.observe(ctx, finding.Probe, c.spec.Probe, t)
	r.probe, r.answer, r.nothing = seen.Outcome, seen.Received, seen.Nothing
	if !controlled {
		return r.withoutControl(c, t)
	}
	if c.spec.Want.has(r.probe) && strings.Contains(r.answer, c.spec.Answer) { // else it fails, whatever the log says
		r.reasonResult, r.reason = r.awaitReason(ctx, watch, c.spec)
	}
	r.after = r.observe(ctx, finding.ControlAfter, c.spec.Control, t).Outcome
	return r
}

// withoutControl returns the run whose control failed. If the check is about TLS and the agent has none, that becomes
// the reason: no other check judges what an agent does for callers without TLS.
func (r run) withoutControl(c Check, t probe.Target) run {
	aboutTLS := slices.ContainsFunc(c.spec.Settings, func(path string) bool { return strings.HasPrefix(path, "tls.") })
	if aboutTLS && r.before == probe.RefusedInHandshake && r.nothing.IsZero() {
		r.nothing = t.PlaintextOnly(c.spec.Control.Plane)
	}
	return r
}

// observe sends a probe, repeats it if it is worth a retry, and keeps the last observation as evidence.
func (r *run) observe(ctx context.Context, part finding.Part, p probe.Probe, t probe.Target) probe.Observation {
	o := p.ObserveRetrying(ctx, t)
	r.unsettled = r.unsettled || o.Unsettled
	switch {
	case o.Retry:
		r.unanswered[part] = fmt.Sprintf(", in %d tries: %s", probe.MaxTries, cmp.Or(o.Received, o.Err))
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
