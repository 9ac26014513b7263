package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// changes are what the comparison has found, the worst first: by way, then by severity, then by plane.
func (v view) changes() []finding.Change {
	if v.report.Comparison == nil {
		return nil
	}
	changes := slices.Clone(v.report.Comparison.Changes)
	slices.SortStableFunc(changes, func(a, b finding.Change) int {
		return cmp.Or(
			cmp.Compare(rankOfWay(a.Direction), rankOfWay(b.Direction)),
			cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity)),
			cmp.Compare(finding.RankOfPlane(a.Plane), finding.RankOfPlane(b.Plane)),
		)
	})
	return changes
}

// rankOfWay orders ways, the worst first. What cannot be told may be bad.
func rankOfWay(w finding.Direction) int {
	return slices.Index([]finding.Direction{finding.Weaker, finding.Unclear, finding.Stronger}, w)
}

// ways counts changes.
type ways struct {
	Weaker   int `json:"weaker"`
	Unclear  int `json:"unclear"`
	Stronger int `json:"stronger"`
}

// ways are nil where nothing was compared.
func (v view) ways() *ways {
	if v.report.Comparison == nil {
		return nil
	}
	var w ways
	for _, c := range v.report.Comparison.Changes {
		switch c.Direction {
		case finding.Weaker:
			w.Weaker++
		case finding.Stronger:
			w.Stronger++
		default:
			w.Unclear++
		}
	}
	return &w
}

// String lists what there is, the worst first.
func (w ways) String() string {
	var parts []string
	for _, p := range []struct {
		n   int
		way finding.Direction
	}{{w.Weaker, finding.Weaker}, {w.Unclear, finding.Unclear}, {w.Stronger, finding.Stronger}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.way))
		}
	}
	return strings.Join(parts, ", ")
}

// since says what was compared with.
func (v view) since() string { return cmp.Or(v.report.Comparison.With, "before") }

// nothingChanged is a comparison without changes of promises, as a sentence.
func (v view) nothingChanged() string {
	if len(v.report.Comparison.Settings) > 0 {
		return "no promise has changed since " + v.since()
	}
	return "nothing has changed since " + v.since()
}

// settingsWords is how many settings differ.
func (v view) settingsWords() string {
	if n := len(v.report.Comparison.Settings); n != 1 {
		return fmt.Sprintf("%d settings differ", n)
	}
	return "1 setting differs"
}

// changedHow is a change in words; where it has none, they are made of what was seen on the two sides.
func changedHow(c finding.Change) string {
	if c.Text != "" {
		return c.Text
	}
	return "was " + stateWords(c.Before) + ", is now " + stateWords(c.After)
}

// stateWords is how a promise ended. What the probe saw says more than a result, where it tells one.
func stateWords(s finding.State) string {
	if s.Result == "" {
		return "not asked about"
	}
	if s.Outcome != "" && (s.Result == finding.Pass || s.Result == finding.Fail) {
		return s.Outcome + " (" + string(s.Result) + ")"
	}
	return string(s.Result)
}

// promised is the promise that changed; its ID where it has no title.
func promised(c finding.Change) string { return cmp.Or(c.Title, c.ID) }

// mostLikely names the setting behind a change, and where it is set; empty where none is known.
func mostLikely(c finding.Change) string {
	if c.Setting == "" {
		return ""
	}
	if at := place(c.File, c.Line); at != "" {
		return c.Setting + ", " + at
	}
	return c.Setting
}

// place is a line of a file, as compilers name it.
func place(file string, line int) string {
	if file == "" || line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}
