package lock

import (
	"cmp"
	"fmt"

	"nomadlab.internal/lab/finding"
)

// textOf says the change in words, as the beginning of a sentence that ends with the promise.
func textOf(before, after CheckResult, way finding.Direction) string {
	switch {
	case before.ID == "":
		return "is new, so there is nothing to compare with; it " + after.ends()
	case after.ID == "":
		return "is not among the checks any more; before, it " + before.ended()
	case !proved(before) && !proved(after):
		return "is not known on either side, and a setting that it rests on differs; it " + after.ends()
	case !proved(before) && after.Result == finding.Pass:
		return fmt.Sprintf("%s before, holds now", before.ended())
	case !proved(before):
		return fmt.Sprintf("%s before, is broken now, %s", before.ended(), after.seen())
	case !proved(after) && before.Result == finding.Pass:
		return "held, and is no longer proved; it " + after.ends()
	case !proved(after):
		return "was broken, and is not known to be mended; it " + after.ends()
	}
	return "was " + before.seen() + ", is now " + after.seen() + aside(before, after, way)
}

// aside is what is to be added where the outcomes alone would mislead.
func aside(before, after CheckResult, way finding.Direction) string {
	switch {
	case before.Result == finding.Fail && after.Result == finding.Fail && way == finding.Stronger:
		return ", and still broken"
	case before.Result == finding.Fail && after.Result == finding.Fail:
		return ", and was broken before"
	case way == finding.Unclear && after.Result == finding.Fail:
		return ", which is not what Nomad is known to do"
	case way == finding.Unclear:
		return ", as Nomad is known to do"
	case after.Outcome == before.Outcome && after.Result == finding.Fail:
		return ", and " + after.Reason
	case after.Outcome == before.Outcome:
		return ", as wanted"
	default:
		return ""
	}
}

// seen is what was seen, and where if not everywhere: "accepted at 1 of 3 servers".
func (e CheckResult) seen() string {
	text := cmp.Or(e.Outcome, string(e.Result))
	if e.At != "" {
		text += " at " + e.At
	}
	return text
}

// ends says how the promise ends now, ended how it did before.
func (e CheckResult) ends() string {
	switch e.Result {
	case finding.Pass:
		return "holds, " + e.seen()
	case finding.Fail:
		return "is broken, " + e.seen()
	case finding.Skipped:
		return "is skipped" + e.because()
	default:
		return "could not be tried" + e.because()
	}
}

func (e CheckResult) ended() string {
	switch e.Result {
	case finding.Pass:
		return "held, " + e.seen()
	case finding.Fail:
		return "was broken, " + e.seen()
	case finding.Skipped:
		return "was skipped" + e.because()
	default:
		return "could not be tried" + e.because()
	}
}

// because is the reason in brackets: it is a sentence of its own.
func (e CheckResult) because() string {
	if reason := e.state().Reason; reason != "" {
		return " (" + reason + ")"
	}
	return ""
}
