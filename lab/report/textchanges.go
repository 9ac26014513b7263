package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/finding"
)

// changesSection shows what has changed, the worst first, and the settings that differ.
func (t *textWriter) changesSection() {
	if t.Comparison == nil {
		return
	}
	changes := t.changes()
	if len(changes) == 0 {
		t.printf("%s\n", t.paint(t.nothingChanged(t.since()), text.Bold, text.FgGreen))
	} else {
		t.printf("%s  %s\n", t.paint("CHANGED since "+t.since(), text.Bold), t.directionWords())
	}
	full := t.inFull(len(changes))
	for i, c := range changes {
		if i == full {
			t.restFollows()
		}
		t.change(c, i < full)
	}
	t.printf("\n")
	t.differingSettings()
}

// differingSettings shows the note of the comparison and the settings that differ.
func (t *textWriter) differingSettings() {
	c := t.Comparison
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
		t.printf("  and %d more, which -v lists\n", more)
	}
	t.printf("\n")
}

// change shows one change, in full or as the ID of its check.
func (t *textWriter) change(c finding.Change, full bool) {
	direction := t.paint(string(c.Direction), coloursOf(resultLike(c.Direction))...)
	columns := fmt.Sprintf("  %s  %s  %-7s  ",
		text.Pad(direction, 8, ' '), text.Pad(t.severity(cut(c.Severity, 8)), 8, ' '), cut(c.Plane, 7))
	if !full {
		t.line(columns, c.ID)
		return
	}
	t.line(columns, changedHow(c)+": "+titleOf(c))
	margin := strings.Repeat(" ", text.StringWidthWithoutEscSequences(columns))
	if by := mostLikely(c); by != "" {
		t.line(margin, "most likely by "+by)
	}
	t.line(margin, t.paint(c.ID, text.Faint))
	if t.Verbose {
		t.field(margin, "before", c.Before.Reason)
		t.field(margin, "now", c.After.Reason)
	}
}
