package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/finding"
)

// TextOptions say how Text looks. Their zero value is short, without colours, and 100 columns wide.
type TextOptions struct {
	// Verbose lists what held as well, and shows the evidence of everything.
	Verbose bool
	// Colour paints results; only for terminals.
	Colour bool
	// Width is how many columns there are; 0 means 100, and fewer than 60 are taken for 60.
	Width int
}

// Text writes the report for a terminal: what has changed, where anything was compared; the result in one line, the counts
// of each plane, then what is broken and what could not be tried, with what was seen there and why it matters; at last the
// user's configuration, with each line that was not used as it stands. What held is counted, and listed only when Verbose.
// Its error is the writer's.
func Text(w io.Writer, r finding.Report, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(o.Width, 60)
	t := &sheet{out: bufio.NewWriter(w), TextOptions: o, view: newView(r)}
	t.untried = t.untriedByReason()
	t.changesSection()
	t.verdictLines()
	t.countsTable()
	for _, p := range t.planes {
		t.planeSection(p)
	}
	t.matrixSection()
	t.untriedSection()
	t.knownSection()
	t.skipsSection()
	t.configurationSection()
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write report as text: %w", err)
	}
	return nil
}

// sheet is the paper that Text writes on. The first error of its writer is Flush's.
type sheet struct {
	TextOptions
	view
	out *bufio.Writer
	// untried is untriedByReason.
	untried map[string][]string
}

func (t *sheet) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

// line writes a text after a margin, broken at the width; the lines after the first are indented as deep as the margin.
func (t *sheet) line(margin, what string) {
	deep := text.StringWidthWithoutEscSequences(margin)
	wrapped := text.WrapSoft(what, max(t.Width-deep, 30))
	for i, l := range strings.Split(wrapped, "\n") {
		if i > 0 {
			margin = strings.Repeat(" ", deep)
		}
		t.printf("%s\n", strings.TrimRight(margin+l, " "))
	}
}

// entry writes a name and a text beside it; nothing where the text is empty.
func (t *sheet) entry(margin, name, what string) {
	if what != "" {
		t.line(margin+t.paint(fmt.Sprintf("%-10s", name), text.Faint), what)
	}
}

func (t *sheet) paint(what string, colours ...text.Color) string {
	if !t.Colour || what == "" {
		return what
	}
	return text.Colors(colours).Sprint(what)
}

func (t *sheet) verdictLines() {
	colour := map[finding.Result]text.Color{finding.Pass: text.FgGreen, finding.Fail: text.FgRed}[t.verdict()]
	if colour == 0 {
		colour = text.FgYellow
	}
	t.printf("%s\n", t.paint(t.headline(), text.Bold, colour))
	if l := t.matrixLine(); l != "" {
		t.printf("%s\n", l)
	}
	if l := t.about(); l != "" {
		t.printf("%s\n", t.paint(l, text.Faint))
	}
	for _, n := range t.report.Notes {
		t.line("  ", n)
	}
}

// word is a result that cannot be overlooked.
func (t *sheet) word(v finding.Result) string {
	switch v {
	case finding.Pass:
		return t.paint("held", text.FgGreen)
	case finding.Fail:
		return t.paint("BROKEN", text.Bold, text.FgRed)
	case finding.Skipped:
		return t.paint("skipped", text.Faint)
	default:
		return t.paint("NOT CARRIED OUT", text.Bold, text.FgYellow)
	}
}

// planeSection tells of a plane what needs attention, and of the others only when Verbose.
func (t *sheet) planeSection(p plane) {
	shown := slices.DeleteFunc(p.worstFirst(), func(c check) bool { return !t.Verbose && !t.urgent(c) })
	if len(shown) == 0 {
		return
	}
	t.printf("\n%s  %s\n", t.paint(p.name, text.Bold), counts(p.counts))
	full := t.inFull(len(shown))
	for _, c := range shown[:full] {
		t.checkSection(c)
	}
	if full == len(shown) {
		return
	}
	t.printf("  and, in a line each, as -v tells all of them:\n")
	for _, c := range shown[full:] {
		t.line("  "+t.word(c.Result)+"  ", t.paint(c.ID, text.Bold)+"  "+t.severity(c.Severity))
	}
}

// toldInFull is how many of a long list are told in full, the worst first: the rest of it says much the same.
const toldInFull = 8

// inFull is how many of n are told in full.
func (t *sheet) inFull(n int) int {
	if t.Verbose || n <= 2*toldInFull {
		return n
	}
	return toldInFull
}

func (t *sheet) checkSection(c check) {
	t.line("  "+t.word(c.Result)+"  ", t.paint(c.ID, text.Bold)+"  "+t.severity(c.Severity))
	const margin = "    "
	t.entry(margin, "promise", c.Title)
	for _, s := range c.sightings() {
		if t.Verbose || s.verdict == finding.Fail || s.verdict == finding.Inconclusive {
			t.entry(margin, "at", t.nodesOf(s.nodes)+t.otherVerdict(c, s))
			t.entry(margin, "seen", t.seen(c, s))
			t.entry(margin, "because", s.reason)
		}
	}
	t.entry(margin, "known", c.Known)
	t.entry(margin, "why", c.Why)
	t.entry(margin, "rests on", t.restsOn(c.Finding))
	if t.Verbose {
		t.entry(margin, "control", c.Control)
		for _, f := range c.at {
			t.evidence(f)
		}
	}
}

// seen says what was seen, and what was wanted.
func (t *sheet) seen(c check, s sighting) string {
	if s.outcome == "" {
		return ""
	}
	outcome := s.outcome
	if s.verdict != finding.Pass {
		outcome = t.paint(outcome, text.Bold)
	}
	return outcome + besideSeen(s.outcome, c.Want...)
}

// otherVerdict names a sighting's result where it is not the check's.
func (t *sheet) otherVerdict(c check, s sighting) string {
	if s.verdict == c.Result {
		return ""
	}
	return ": " + t.word(s.verdict)
}

func (t *sheet) severity(s string) string {
	if finding.RankOfSeverity(s) <= finding.RankOfSeverity("high") {
		return t.paint(s, text.FgRed)
	}
	return s
}

// evidence shows what was done at one node, and what came back.
func (t *sheet) evidence(f finding.Finding) {
	if len(f.Evidence) == 0 {
		return
	}
	t.printf("    %s  %s in %s\n", t.paint(f.Node, text.Underline), t.word(f.Result), seconds(f.Took))
	t.evidenceLines(f.Evidence)
}

func (t *sheet) evidenceLines(all []finding.Evidence) {
	for _, e := range all {
		t.line(fmt.Sprintf("      %-15s ", e.Part), heading(e))
		for _, d := range details(e) {
			t.entry("        ", d.name, d.text)
		}
	}
}
