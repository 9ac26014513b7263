package posture

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/probe"
)

// judge turns what was seen into a verdict with its reason. The order matters:
// what was let in and should not have been needs no control, for it was let in;
// after that, what proves nothing comes before what proves something.
func (c Check) judge(r run) (finding.Verdict, string) {
	control := c.spec.Want.opposite()
	switch {
	case r.probe == probe.Accepted && !c.spec.Want.has(probe.Accepted):
		return finding.Broken, fmt.Sprintf("the probe was accepted, wanted was %q", c.spec.Want)
	case !control.has(r.before):
		return finding.NotCarriedOut, fmt.Sprintf("the control gave %q before the probe, not %q, so an outcome of the probe proves nothing", r.before, control)
	case r.probe != probe.Accepted && !r.probe.Refused():
		return finding.NotCarriedOut, fmt.Sprintf("the probe gave %q, which proves nothing", r.probe)
	case !control.has(r.after):
		return finding.NotCarriedOut, fmt.Sprintf("the control gave %q after the probe, not %q: the agent changed in between", r.after, control)
	case !c.spec.Want.has(r.probe):
		return finding.Broken, fmt.Sprintf("the probe gave %q, wanted was %q", r.probe, c.spec.Want)
	case !strings.Contains(r.answer, c.spec.Answer):
		return finding.Broken, fmt.Sprintf("the probe gave %q, as wanted, but the agent said %q, wanted was %q", r.probe, r.answer, c.spec.Answer)
	default:
		return c.judgeReason(r)
	}
}

// judgeReason judges a wanted outcome by what the log says of it.
func (c Check) judgeReason(r run) (finding.Verdict, string) {
	switch r.log {
	case logNotNeeded:
		return finding.Held, fmt.Sprintf("the probe gave %q, as wanted", r.probe)
	case logUnavailable:
		return finding.Held, fmt.Sprintf("the probe gave %q, as wanted; why is not asserted, as the agent's log cannot be read", r.probe)
	case logShows:
		return finding.Held, fmt.Sprintf("the probe gave %q, as wanted, and the agent's log says why: %q", r.probe, c.spec.LogText)
	case logShowsOfSomebody:
		return finding.Held, fmt.Sprintf("the probe gave %q, as wanted, and the agent's log says why: %q; the line is not attributed, as it is not known how the prober looks to the agent", r.probe, c.spec.LogText)
	case logFailed:
		return finding.NotCarriedOut, fmt.Sprintf("the probe gave %q, but whether for the right reason is unknown: %v", r.probe, r.logErr)
	default:
		return finding.NotCarriedOut, fmt.Sprintf("the probe gave %q, but perhaps for another reason: the agent's log did not show %q within %s", r.probe, c.spec.LogText, c.spec.LogWithin)
	}
}
