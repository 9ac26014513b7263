package report

import (
	"nomadlab.internal/lab/finding"
)

// comparisonPage is what has changed.
type comparisonPage struct {
	Since, Counts string
	// Changes are the worst, More what is folded away behind a long list of them.
	Changes, More []changePage
	// Words are how many settings differ, Settings which; Note is what was left out.
	Words, Note string
	Settings    []finding.SettingChange
}

// changePage is one promise that ended another way than before. Link is empty where this report has no such check.
type changePage struct {
	badge
	Title, ID, Plane, Severity, Link, How, By string
	Before, After                             statePage
}

// statePage is one side of a change.
type statePage struct{ Words, Reason string }

// comparisonPage is nil where nothing was compared.
func (v view) comparisonPage(anchors map[string]string) *comparisonPage {
	if v.report.Comparison == nil {
		return nil
	}
	out := &comparisonPage{
		Since: v.since(), Counts: v.ways().String(), Words: v.settingsWords(), Note: v.report.Comparison.Note,
		Settings: v.report.Comparison.Settings,
	}
	for _, c := range v.changes() {
		one := changePage{
			badge: badgeOfWay(c.Direction), Title: promised(c), ID: c.ID, Plane: c.Plane, Severity: c.Severity, How: changedHow(c), By: mostLikely(c),
			Before: statePage{stateWords(c.Before), c.Before.Reason}, After: statePage{stateWords(c.After), c.After.Reason},
		}
		if anchor := anchors[c.ID]; anchor != "" {
			one.Link = "#" + anchor
		}
		out.Changes = append(out.Changes, one)
	}
	if len(out.Changes) > 2*toldInFull {
		out.Changes, out.More = out.Changes[:toldInFull], out.Changes[toldInFull:]
	}
	return out
}

// badgeOfWay has the colours of the result that the way leads to, and a symbol and a word of its own.
func badgeOfWay(w finding.Direction) badge {
	switch w {
	case finding.Weaker:
		return badge{"broken", "▼", "weaker"}
	case finding.Stronger:
		return badge{"held", "▲", "stronger"}
	default:
		return badge{"untried", "?", "unclear"}
	}
}

// configurationPage is the user's configuration.
type configurationPage struct {
	Words  string
	Files  []filesPage
	Unused []unusedPage
}

type filesPage struct {
	Role  string
	Files []string
}

// unusedPage are the lines that were not used as they stand for one reason.
type unusedPage struct {
	Because string
	Lines   []unusedLine
}

type unusedLine struct{ Place, Setting, What string }

// configurationPage is nil where a lab ran its own.
func (v view) configurationPage() *configurationPage {
	if v.report.Configuration == nil {
		return nil
	}
	out := &configurationPage{Words: v.unusedWords()}
	for _, r := range v.roleFiles() {
		out.Files = append(out.Files, filesPage{r.role, r.files})
	}
	for _, u := range v.unused() {
		lines := each(u.lines, func(r finding.Replaced) unusedLine { return unusedLine{placeOf(r), r.Setting, becameWhat(r)} })
		out.Unused = append(out.Unused, unusedPage{u.because, lines})
	}
	return out
}
