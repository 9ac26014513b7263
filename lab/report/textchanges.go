package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/finding"
)

// changesSection tells what has changed, the worst first; that nothing has is told in a line.
func (t *sheet) changesSection() {
	if t.report.Comparison == nil {
		return
	}
	changes := t.changes()
	defer t.differingSettings()
	if len(changes) == 0 {
		t.printf("%s\n\n", t.paint(t.nothingChanged(), text.Bold, text.FgGreen))
		return
	}
	t.printf("%s  %s\n", t.paint("CHANGED since "+t.since(), text.Bold), t.ways())
	full := t.inFull(len(changes))
	for _, c := range changes[:full] {
		t.change(c, true)
	}
	if full < len(changes) {
		t.printf("  and, in a line each, as -v tells all of them:\n")
	}
	for _, c := range changes[full:] {
		t.change(c, false)
	}
	t.printf("\n")
}

// differingSettings tells the settings that differ, whatever came of it, and what the comparison says of itself.
func (t *sheet) differingSettings() {
	c := t.report.Comparison
	if c.Note != "" {
		t.line(t.paint("note", text.Bold, text.FgYellow)+"  ", c.Note)
		t.printf("\n")
	}
	if len(c.Settings) == 0 {
		return
	}
	t.printf("%s\n", t.paint(t.settingsWords(), text.Bold))
	full := t.inFull(len(c.Settings))
	for _, s := range c.Settings[:full] {
		t.line("  ", s.String())
	}
	if more := len(c.Settings) - full; more > 0 {
		t.printf("  and %d more, which -v tells\n", more)
	}
	t.printf("\n")
}

// change is one change: what happened to which promise, and in full its ID and what most likely made it.
func (t *sheet) change(c finding.Change, full bool) {
	columns := fmt.Sprintf("  %s%s  %s%s  %-6s  ", t.way(c.Direction), padding(string(c.Direction), 8),
		t.severity(cut(c.Severity, 8)), padding(c.Severity, 8), cut(c.Plane, 6))
	if !full {
		t.line(columns, c.ID)
		return
	}
	t.line(columns, changedHow(c)+": "+promised(c))
	margin := strings.Repeat(" ", text.StringWidthWithoutEscSequences(columns))
	if by := mostLikely(c); by != "" {
		t.line(margin, "most likely by "+by)
	}
	t.line(margin, t.paint(c.ID, text.Faint))
	if t.Verbose {
		t.entry(margin, "before", c.Before.Reason)
		t.entry(margin, "now", c.After.Reason)
	}
}

// padding fills a column up, whatever colours are in it.
func padding(what string, width int) string {
	return strings.Repeat(" ", max(width-text.StringWidthWithoutEscSequences(what), 0))
}

func (t *sheet) way(w finding.Direction) string {
	switch w {
	case finding.Weaker:
		return t.paint(string(w), text.Bold, text.FgRed)
	case finding.Stronger:
		return t.paint(string(w), text.FgGreen)
	default:
		return t.paint(string(w), text.Bold, text.FgYellow)
	}
}

// configurationSection names the files that the cluster ran, and every line that it did not run as it stands. Many are
// told in a line for each reason, and one by one when Verbose.
func (t *sheet) configurationSection() {
	if t.report.Configuration == nil {
		return
	}
	inFull := t.Verbose || len(t.report.Configuration.Replaced) <= toldInFull
	hint := ""
	if !inFull {
		hint = "; -v tells what they became"
	}
	t.printf("\n")
	t.line(t.paint("configuration", text.Bold)+"  ", t.unusedWords()+hint)
	for _, r := range t.roleFiles() {
		t.entry("    ", r.role, strings.Join(r.files, ", "))
	}
	for _, u := range t.unused() {
		if !inFull {
			named := each(u.lines, func(r finding.Replaced) string { return r.Setting + " (" + placeOf(r) + ")" })
			t.line(fmt.Sprintf("  %3d  ", len(u.lines)), u.because+": "+strings.Join(named, ", "))
			continue
		}
		t.line("  ", u.because)
		for _, r := range u.lines {
			t.line("    "+placeOf(r)+"  ", r.Setting+"  "+becameWhat(r))
		}
	}
}
