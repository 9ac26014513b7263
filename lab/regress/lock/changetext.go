package lock

import (
	"cmp"
	"fmt"

	"nomadlab.internal/lab/finding"
)

// textOf returns the change in words, as the beginning of a sentence that ends with the check's title.
func textOf(before, after CheckResult, direction finding.Direction) string {
	switch {
	case before.ID == "":
		return "is new, so there is nothing to compare with; it " + after.is()
	case after.ID == "":
		return "is not among the checks any more; before, it " + before.was()
	case !before.proved() && !after.proved():
		return "is not known on either side, and a setting that it rests on differs; it " + after.is()
	case !before.proved() && after.Result == finding.Pass:
		return fmt.Sprintf("%s before, passes now", before.was())
	case !before.proved():
		return fmt.Sprintf("%s before, fails now, %s", before.was(), after.seen())
	case !after.proved() && before.Result == finding.Pass:
		return "passed, and is no longer proved; it " + after.is()
	case !after.proved():
		return "failed, and is not known to be repaired; it " + after.is()
	}
	return "was " + before.seen() + ", is now " + after.seen() + addition(before, after, direction)
}

// addition returns what to add if the outcomes alone would mislead.
func addition(before, after CheckResult, direction finding.Direction) string {
	switch {
	case before.Result == finding.Fail && after.Result == finding.Fail && direction == finding.Stronger:
		return ", and still fails"
	case before.Result == finding.Fail && after.Result == finding.Fail:
		return ", and failed before"
	case direction == finding.Unclear && after.Result == finding.Fail:
		return ", which is not what Nomad is known to do"
	case direction == finding.Unclear:
		return ", as Nomad is known to do"
	case after.Outcome == before.Outcome && after.Result == finding.Fail:
		return ", and " + after.Reason
	case after.Outcome == before.Outcome:
		return ", as wanted"
	default:
		return ""
	}
}

// seen returns the outcome, and where if not everywhere: "accepted at 1 of 3 servers".
func (r CheckResult) seen() string {
	text := cmp.Or(r.Outcome, string(r.Result))
	if r.At != "" {
		text += " at " + r.At
	}
	return text
}

// is returns the result in words for a posture of now, was for one of before.
func (r CheckResult) is() string  { return r.words("passes", "fails", "is ") }
func (r CheckResult) was() string { return r.words("passed", "failed", "was ") }

func (r CheckResult) words(passes, fails, is string) string {
	switch reason := r.state().Reason; {
	case r.Result == finding.Pass:
		return passes + ", " + r.seen()
	case r.Result == finding.Fail:
		return fails + ", " + r.seen()
	case reason == "":
		return is + string(r.Result)
	default:
		return is + string(r.Result) + " (" + reason + ")"
	}
}
