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

// TextOptions say how Text looks. The zero TextOptions give a short text without colours, 100 columns wide.
type TextOptions struct {
	// Verbose also lists what passes, and shows all evidence.
	Verbose bool
	// Colour paints results. It is for terminals only.
	Colour bool
	// Width is the number of columns, at least 60. Zero: 100.
	Width int
}

// Lists that are longer than these are cut short, unless Verbose. The worst items come first, and the others say much the
// same.
const (
	// maxFull is the number of items of a long list that are shown in full. A list is long from twice as many on.
	maxFull = 8
	// maxAlike is the number of inconclusive checks with the same reason that are shown one by one.
	maxAlike = 3
	// maxNamed is the number of checks that are named in a list of IDs.
	maxNamed = 6
)

// Text writes the report for a terminal: what has changed; the result in one line; the counts of each plane; the checks
// that fail or are inconclusive, with what was seen and why it matters; and the user's configuration. It returns the
// writer's error.
func Text(w io.Writer, r finding.Report, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(o.Width, 60)
	t := &textWriter{out: bufio.NewWriter(w), TextOptions: o, view: newView(r)}
	for _, g := range groupBy(t.checksThat(finding.Inconclusive), whyInconclusive) {
		if len(g.Items) > maxAlike {
			t.alike = append(t.alike, g)
		}
	}
	t.changesSection()
	t.resultLines()
	t.timelineSection()
	t.countsTable()
	for _, p := range t.Planes {
		t.planeSection(p)
	}
	t.matrixSection()
	if !t.Verbose {
		known := slices.DeleteFunc(t.checksThat(finding.Fail), func(c check) bool { return c.Known == "" })
		t.reasonsSection(t.word(finding.Inconclusive)+", for a reason that many have in common", "at ", t.alike)
		t.reasonsSection(t.word(finding.Fail)+", as is known of this cluster", "",
			groupBy(known, func(c check) string { return c.Known }))
	}
	t.reasonsSection(t.paint("skipped", text.Bold), "", t.skips())
	t.configurationSection()
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write report as text: %w", err)
	}
	return nil
}

// textWriter writes the sections of a text. Its writer keeps the first error for Flush.
type textWriter struct {
	TextOptions
	view
	out *bufio.Writer
	// alike are the inconclusive checks that have their reason in common with many others.
	alike []group[string, check]
}

func (t *textWriter) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

// line writes a text after a margin and wraps it at the width. The lines after the first are indented by the width of the
// margin.
func (t *textWriter) line(margin, what string) {
	indent := text.StringWidthWithoutEscSequences(margin)
	wrapped := text.WrapSoft(what, max(t.Width-indent, 30))
	for i, l := range strings.Split(wrapped, "\n") {
		if i > 0 {
			margin = strings.Repeat(" ", indent)
		}
		t.printf("%s\n", strings.TrimRight(margin+l, " "))
	}
}

// field writes a name and a text beside it. It writes nothing if the text is empty.
func (t *textWriter) field(margin, name, what string) {
	if what != "" {
		t.line(margin+t.paint(fmt.Sprintf("%-10s", name), text.Faint), what)
	}
}

func (t *textWriter) paint(what string, colours ...text.Color) string {
	if !t.Colour || what == "" {
		return what
	}
	return text.Colors(colours).Sprint(what)
}

// coloursOf returns the colours of a result.
func coloursOf(result finding.Result) []text.Color {
	return map[finding.Result][]text.Color{
		finding.Pass: {text.FgGreen}, finding.Fail: {text.Bold, text.FgRed},
		finding.Inconclusive: {text.Bold, text.FgYellow}, finding.Skipped: {text.Faint},
	}[result]
}

// word returns a result. One that needs attention is written in capitals.
func (t *textWriter) word(result finding.Result) string {
	word := string(result)
	if result == finding.Fail || result == finding.Inconclusive {
		word = strings.ToUpper(word)
	}
	return t.paint(word, coloursOf(result)...)
}

// severity returns a severity, red if it is high or critical.
func (t *textWriter) severity(s string) string {
	if finding.RankOfSeverity(s) <= finding.RankOfSeverity("high") {
		return t.paint(s, text.FgRed)
	}
	return s
}

func (t *textWriter) resultLines() {
	t.printf("%s\n", t.paint(t.headline(), append([]text.Color{text.Bold}, coloursOf(t.result())...)...))
	if l := t.matrixLine(); l != "" {
		t.printf("%s\n", l)
	}
	if l := t.about(); l != "" {
		t.printf("%s\n", t.paint(l, text.Faint))
	}
	for _, n := range t.Notes {
		t.line("  ", n)
	}
}

// inFull returns how many of n items are shown in full.
func (t *textWriter) inFull(n int) int {
	if t.Verbose || n <= 2*maxFull {
		return n
	}
	return maxFull
}

// planeSection shows the checks of a plane that need attention; if Verbose, all of them.
func (t *textWriter) planeSection(p plane) {
	shown := slices.DeleteFunc(p.WorstFirst(), func(c check) bool { return !t.Verbose && !t.urgent(c) })
	if len(shown) == 0 {
		return
	}
	t.printf("\n%s  %s\n", t.paint(p.Name, text.Bold), counts(p.Counts))
	full := t.inFull(len(shown))
	for i, c := range shown {
		if i == full {
			t.restFollows()
		}
		t.line("  "+t.word(c.Result)+"  ", t.paint(c.ID, text.Bold)+"  "+t.severity(c.Severity))
		if i < full {
			t.checkEntries(c)
		}
	}
}

func (t *textWriter) restFollows() {
	t.printf("  and, in a line each (-v shows all of them in full):\n")
}

// urgent reports whether a check is shown one by one. Known failures, and inconclusive checks with a reason that many have
// in common, are summed up by their reason.
func (t *textWriter) urgent(c check) bool {
	switch c.Result {
	case finding.Fail:
		return c.Known == ""
	case finding.Inconclusive:
		why := whyInconclusive(c)
		return !slices.ContainsFunc(t.alike, func(g group[string, check]) bool { return g.Key == why })
	default:
		return false
	}
}

// whyInconclusive returns where and why a check is inconclusive. What was wanted makes no difference.
func whyInconclusive(c check) string {
	for _, o := range c.observations() {
		if o.Key.result == finding.Inconclusive {
			return strings.Join(each(o.Items, func(f finding.Finding) string { return f.Node }), ", ") + ": " + o.Key.reason
		}
	}
	return ""
}

func (t *textWriter) checkEntries(c check) {
	const margin = "    "
	t.field(margin, "check", c.Title)
	for _, o := range c.observations() {
		needsAttention := o.Key.result == finding.Fail || o.Key.result == finding.Inconclusive
		if !t.Verbose && !needsAttention {
			continue
		}
		at := t.nodesOf(o.Items)
		if o.Key.result != c.Result {
			at += ": " + t.word(o.Key.result)
		}
		t.field(margin, "at", at)
		if outcome := o.Key.outcome; outcome != "" {
			seen := outcome
			if o.Key.result != finding.Pass {
				seen = t.paint(outcome, text.Bold)
			}
			t.field(margin, "seen", seen+besideOutcome(outcome, c.Want...))
		}
		t.field(margin, "because", o.Key.reason)
	}
	t.field(margin, "known", c.Known)
	t.field(margin, "why", c.Why)
	t.field(margin, "rests on", t.restsOn(c.Finding))
	t.field(margin, "version", c.Unverified)
	if !t.Verbose {
		return
	}
	t.field(margin, "control", c.Control)
	for _, f := range c.At {
		if len(f.Evidence) > 0 {
			t.printf("    %s  %s in %s\n", t.paint(f.Node, text.Underline), t.word(f.Result), seconds(f.Took))
			t.evidence(f.Evidence)
		}
	}
}

func (t *textWriter) evidence(all []finding.Evidence) {
	for _, e := range all {
		t.line(fmt.Sprintf("      %-15s ", e.Part), heading(e))
		for _, d := range details(e) {
			t.field("        ", d.Name, d.Text)
		}
	}
}

// reasonsSection names the checks that have a reason in common, in a line for each reason.
func (t *textWriter) reasonsSection(title, before string, groups []group[string, check]) {
	if len(groups) > 0 {
		t.printf("\n%s\n", title)
	}
	for _, g := range groups {
		ids, more := each(g.Items, idOf), ""
		if n := len(ids) - maxNamed; n > 1 {
			ids, more = ids[:maxNamed], fmt.Sprintf(" and %d more, which -v lists", n)
		}
		t.line(fmt.Sprintf("  %3d  ", len(g.Items)), before+g.Key+": "+strings.Join(ids, ", ")+more)
	}
}

// configurationSection names the files that the cluster ran, and the lines that were not used as they stand. Many lines
// are written in one line for each reason, unless Verbose.
func (t *textWriter) configurationSection() {
	if t.Configuration == nil {
		return
	}
	inFull := t.Verbose || len(t.Configuration.Replaced) <= maxFull
	hint := ""
	if !inFull {
		hint = "; -v shows what they became"
	}
	t.printf("\n")
	t.line(t.paint("configuration", text.Bold)+"  ", t.unusedWords()+hint)
	for _, r := range t.roleFiles() {
		t.field("    ", r.Key, strings.Join(each(r.Items, pathOf), ", "))
	}
	for _, u := range t.unused() {
		if !inFull {
			named := each(u.Items, func(r finding.Replaced) string { return r.Setting + " (" + placeOf(r) + ")" })
			t.line(fmt.Sprintf("  %3d  ", len(u.Items)), u.Key+": "+strings.Join(named, ", "))
			continue
		}
		t.line("  ", u.Key)
		for _, r := range u.Items {
			t.line("    "+placeOf(r)+"  ", r.Setting+"  "+becameWhat(r))
		}
	}
}
