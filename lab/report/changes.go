package report

import (
	"cmp"
	"fmt"
	"slices"

	"nomadlab.internal/lab/finding"
)

// directions returns all directions of a change, the worst first. What is unclear may be bad.
func directions() []finding.Direction {
	return []finding.Direction{finding.Weaker, finding.Unclear, finding.Stronger}
}

// changes returns what the comparison found, by direction, then by severity, then by plane.
func (v view) changes() []finding.Change {
	if v.Comparison == nil {
		return nil
	}
	changes := slices.Clone(v.Comparison.Changes)
	slices.SortStableFunc(changes, func(a, b finding.Change) int {
		return cmp.Or(
			cmp.Compare(slices.Index(directions(), a.Direction), slices.Index(directions(), b.Direction)),
			cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity)),
			cmp.Compare(finding.RankOfPlane(a.Plane), finding.RankOfPlane(b.Plane)),
		)
	})
	return changes
}

// directionCounts counts the changes of each direction. It is nil if nothing was compared.
func (v view) directionCounts() map[finding.Direction]int {
	if v.Comparison == nil {
		return nil
	}
	counts := map[finding.Direction]int{}
	for _, d := range directions() {
		counts[d] = 0
	}
	for _, c := range v.Comparison.Changes {
		counts[c.Direction]++
	}
	return counts
}

// directionWords lists the counts that are not 0, the worst first.
func (v view) directionWords() string { return listed(directions(), v.directionCounts()) }

// resultLike returns the result whose colour and symbol a change of the direction has.
func resultLike(d finding.Direction) finding.Result {
	switch d {
	case finding.Weaker:
		return finding.Fail
	case finding.Stronger:
		return finding.Pass
	default:
		return finding.Inconclusive
	}
}

// since names what the report was compared with.
func (v view) since() string { return cmp.Or(v.Comparison.With, "before") }

// nothingChanged says that no check has changed. Settings may differ all the same.
func (v view) nothingChanged(since string) string {
	if len(v.Comparison.Settings) > 0 {
		return "no check has changed since " + since
	}
	return "nothing has changed since " + since
}

// settingsWords says how many settings differ.
func (v view) settingsWords() string {
	n := len(v.Comparison.Settings)
	return count(n, "setting") + plural(n, " differs", " differ")
}

// changedHow describes a change. If it has no text of its own, the results on both sides are named.
func changedHow(c finding.Change) string {
	if c.Text != "" {
		return c.Text
	}
	return "was " + stateWords(c.Before) + ", is now " + stateWords(c.After)
}

// stateWords describes one side of a change: the outcome, if there is one, and the result.
func stateWords(s finding.State) string {
	if s.Result == "" {
		return "not asked about"
	}
	if s.Outcome != "" && (s.Result == finding.Pass || s.Result == finding.Fail) {
		return s.Outcome + " (" + string(s.Result) + ")"
	}
	return string(s.Result)
}

// titleOf returns the title of the check that changed, or its ID if it has none.
func titleOf(c finding.Change) string { return cmp.Or(c.Title, c.ID) }

// mostLikely names the setting that most likely made a change, and where it is set. It is empty if none is known.
func mostLikely(c finding.Change) string {
	if at := place(c.File, c.Line); c.Setting != "" && at != "" {
		return c.Setting + ", " + at
	}
	return c.Setting
}

// place names a line of a file as compilers do.
func place(file string, line int) string {
	if file == "" || line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}
