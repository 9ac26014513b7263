package posture

import (
	"cmp"
	"fmt"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/probe"
)

// judge returns the result of a run with its reason. The order of the cases matters: an outcome that needs no control
// comes first; then what proves nothing comes before what proves something.
func (c Check) judge(r run) (finding.Result, string) {
	control := c.spec.Want.opposite()
	switch {
	case r.probe != "" && r.probe == c.spec.Want.failsWithoutControl():
		return finding.Fail, fmt.Sprintf("the probe gave %q, wanted was %q%s", r.probe, c.spec.Want, r.saying())
	case c.spec.Missing != "":
		return finding.Skipped, c.spec.Missing
	case !r.nothing.IsZero():
		return finding.Skipped, r.nothing.Error()
	case !control.has(r.before):
		return finding.Inconclusive, fmt.Sprintf("the control gave %q before the probe, not %q, so an outcome of the probe proves nothing%s", r.before, control, cmp.Or(r.unanswered[finding.ControlBefore], r.whyNotSent()))
	case !c.spec.Want.proves(r.probe):
		return finding.Inconclusive, fmt.Sprintf("the probe gave %q, which proves nothing%s", r.probe, r.unanswered[finding.Probe])
	case !control.has(r.after):
		return finding.Inconclusive, fmt.Sprintf("the control gave %q after the probe, not %q: the agent changed in between%s", r.after, control, r.unanswered[finding.ControlAfter])
	case !c.spec.Want.has(r.probe):
		return finding.Fail, fmt.Sprintf("the probe gave %q, wanted was %q%s", r.probe, c.spec.Want, r.saying())
	case !strings.Contains(r.answer, c.spec.Answer):
		return finding.Fail, fmt.Sprintf("the probe gave %q, as wanted, but the agent said %q, wanted was %q", r.probe, r.answer, c.spec.Answer)
	default:
		return r.reasonResult, fmt.Sprintf("the probe gave %q%s", r.probe, r.reason)
	}
}

// outcome returns the outcome of the probe for the finding. A refusal counts as not reached if the control beside it
// was refused as well: a dead agent refuses too.
func (c Check) outcome(r run) probe.Outcome {
	control := c.spec.Want.opposite()
	if r.probe.Refused() && control.has(probe.Accepted) && (!control.has(r.before) || !control.has(r.after)) {
		return probe.NotReached
	}
	return r.probe
}

// whyNotSent returns, as the end of a sentence, why the control was not sent, for example because packet capture
// needs root. If it was sent, the evidence has what happened.
func (r run) whyNotSent() string {
	if len(r.evidence) == 0 || r.evidence[0].Sent != "" || r.evidence[0].Error == "" {
		return ""
	}
	return ": " + r.evidence[0].Error
}

// saying returns the agent's answer, as the end of a sentence.
func (r run) saying() string {
	if r.answer == "" {
		return ""
	}
	return ": " + r.answer
}
