package report

import (
	"fmt"
	"io"
	"strings"

	"nomadlab.internal/lab/finding"
)

// markdownLimit is the number of characters that a comment on GitHub may have. A longer one is refused.
const markdownLimit = 65536

// Markdown writes the report for a pull request: the result, what has changed, what fails and what is inconclusive, the
// matrix, and the rest folded away. It is never longer than a comment on GitHub may be: what does not fit is left out from
// the end on, and a note says so. Markdown returns the writer's error.
func Markdown(w io.Writer, r finding.Report) error {
	v := newView(r)
	const note = "\n> Cut here: the report is longer than a comment may be. The JSON and HTML reports have all of it.\n"
	var b strings.Builder
	left := markdownLimit - len(note) - 1
	cut := false
	for _, block := range v.markdownBlocks() {
		text := block.within(left)
		cut = cut || text != block.String()
		left -= len(text)
		b.WriteString(text)
	}
	if cut {
		b.WriteString(note)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report as Markdown: %w", err)
	}
	return nil
}

// block is a part of a page. Its lines may be left out from the end on without breaking the page.
type block struct {
	head  string
	lines []string
	tail  string
}

func (b block) String() string { return b.head + strings.Join(b.lines, "") + b.tail }

// within returns as much of the block as fits into a number of bytes, which is never less than in as many characters.
func (b block) within(room int) string {
	room -= len(b.head) + len(b.tail)
	if room < 0 {
		return ""
	}
	fit := 0
	for _, l := range b.lines {
		if room -= len(l); room < 0 {
			break
		}
		fit++
	}
	if fit == 0 && len(b.lines) > 0 {
		return ""
	}
	b.lines = b.lines[:fit]
	return b.String()
}

// folded returns a block that is shown when its summary is clicked.
func folded(summary string, lines ...string) block {
	return block{head: "\n<details><summary>" + summary + "</summary>\n\n", lines: lines, tail: "\n</details>\n"}
}

// markdownTable returns a table, or an empty block if it has no rows.
func markdownTable(before string, columns []string, rows []string) block {
	if len(rows) == 0 {
		return block{}
	}
	head := "| " + strings.TrimLeft(strings.Join(columns, " | "), " ") + " |\n"
	return block{head: before + head + tableRow(each(columns, func(string) string { return "---" })...), lines: rows}
}

func tableRow(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func (v view) markdownBlocks() []block {
	blocks := []block{
		v.markdownHead(), v.markdownBadEvents(), v.markdownChanges(), v.markdownSettings(), v.markdownCounts(),
		v.markdownChecks(finding.Fail, "What fails"), v.markdownChecks(finding.Inconclusive, "What is inconclusive"),
		v.markdownEvents(), v.markdownConfiguration(), v.markdownOddCells(), v.markdownMatrix(),
	}
	for _, p := range v.Planes {
		blocks = append(blocks, v.markdownPasses(p))
	}
	return append(blocks, v.markdownSkips())
}

func (v view) markdownHead() block {
	text := fmt.Sprintf("## %s %s\n\n", symbol(v.result()), escapeMarkdown(v.headline()))
	if l := v.matrixLine(); l != "" {
		text += escapeMarkdown(l) + "\n\n"
	}
	if l := v.about(); l != "" {
		text += escapeMarkdown(l) + "\n\n"
	}
	if len(v.Notes) > 0 {
		text += strings.Join(each(v.Notes, func(n string) string { return "- " + escapeMarkdown(n) + "\n" }), "") + "\n"
	}
	return block{head: text}
}

// markdownChanges is a table of what has changed, the worst first, or a line that says that nothing has.
func (v view) markdownChanges() block {
	if v.Comparison == nil {
		return block{}
	}
	since := codeMarkdown(v.since())
	var rows []string
	for _, c := range v.changes() {
		by := ""
		if c.Setting != "" {
			by = codeMarkdown(c.Setting)
		}
		if at := place(c.File, c.Line); by != "" && at != "" {
			by += "<br>" + codeMarkdown(at)
		}
		rows = append(rows, tableRow(
			symbol(resultLike(c.Direction))+" "+string(c.Direction), escapeMarkdown(c.Severity), escapeMarkdown(c.Plane),
			escapeMarkdown(titleOf(c))+"<br>"+codeMarkdown(c.ID), escapeMarkdown(changedHow(c)), by,
		))
	}
	if len(rows) == 0 {
		return block{head: fmt.Sprintf("### %s %s\n\n", symbol(finding.Pass), capitalized(v.nothingChanged(since)))}
	}
	b := markdownTable(fmt.Sprintf("### Changed since %s: %s\n\n", since, v.directionWords()),
		[]string{"", "severity", "plane", "check", "change", "most likely by"}, rows)
	b.tail = "\n"
	return b
}

// markdownSettings lists the settings that differ, after the note of the comparison.
func (v view) markdownSettings() block {
	c := v.Comparison
	if c == nil {
		return block{}
	}
	var b block
	if c.Note != "" {
		b.head = escapeMarkdown(c.Note) + "\n\n"
	}
	if len(c.Settings) == 0 {
		return b
	}
	b.head += "**" + v.settingsWords() + "**\n\n"
	b.tail = "\n"
	for _, s := range c.Settings {
		b.lines = append(b.lines, "- "+codeMarkdown(s.String())+"\n")
	}
	return b
}

// markdownCounts is a table of the planes.
func (v view) markdownCounts() block {
	rows := each(v.Planes, func(p plane) string {
		c := p.Counts
		return fmt.Sprintf("| %s | %d | %d | %d | %d |\n", escapeMarkdown(p.Name), c.Fail, c.Inconclusive, c.Pass, c.Skipped)
	})
	if len(rows) == 0 {
		return block{}
	}
	return block{head: "| plane | fail | inconclusive | pass | skipped |\n| --- | ---: | ---: | ---: | ---: |\n", lines: rows}
}

// markdownChecks is a table of the checks of a result, with a row for each thing that was observed.
func (v view) markdownChecks(result finding.Result, title string) block {
	var rows []string
	for _, c := range v.checksThat(result) {
		why := escapeMarkdown(c.Why)
		if c.Known != "" {
			why = "known: " + escapeMarkdown(c.Known) + "<br>" + why
		}
		if on := v.restsOn(c.Finding); on != "" {
			why += "<br>rests on: " + escapeMarkdown(on)
		}
		if c.Unverified != "" {
			why += "<br>" + escapeMarkdown(c.Unverified)
		}
		for _, o := range c.observations() {
			if o.Key.result != result {
				continue
			}
			seen := o.Key.outcome
			if result == finding.Inconclusive {
				seen = o.Key.reason
			}
			rows = append(rows, tableRow(
				strings.TrimSpace(symbol(result)+" "+escapeMarkdown(c.Severity)), escapeMarkdown(c.Title)+"<br>"+codeMarkdown(c.ID),
				escapeMarkdown(v.nodesOf(o.Items)), escapeMarkdown(seen), escapeMarkdown(oneOf(c.Want)), why,
			))
		}
	}
	return markdownTable("\n### "+title+"\n\n", []string{"", "check", "at", "seen", "wanted", "why"}, rows)
}

// markdownConfiguration folds away the files that the cluster ran, and the lines that were not used as they stand.
func (v view) markdownConfiguration() block {
	if v.Configuration == nil {
		return block{}
	}
	b := folded("The configuration: " + v.unusedWords())
	for _, r := range v.roleFiles() {
		b.head += fmt.Sprintf("- %s: %s\n", escapeMarkdown(r.Key), strings.Join(each(each(r.Items, pathOf), codeMarkdown), ", "))
	}
	for _, u := range v.unused() {
		for _, r := range u.Items {
			b.lines = append(b.lines, tableRow(codeMarkdown(placeOf(r)), codeMarkdown(r.Setting),
				valueMarkdown(r.Was), valueMarkdown(r.Became), escapeMarkdown(u.Key)))
		}
	}
	b.head += markdownTable("\n", []string{"where", "setting", "was", "became", "because"}, b.lines).head
	return b
}

// markdownOddCells is a table of the cells that need attention.
func (v view) markdownOddCells() block {
	rows := each(v.oddCells(), func(c oddCell) string {
		return tableRow(symbol(c.Result), codeMarkdown(c.row.Certificate), escapeMarkdown(c.Endpoint),
			escapeMarkdown(v.serversOf(c.Cell)), escapeMarkdown(c.Outcome), escapeMarkdown(c.Want))
	})
	return markdownTable("\n### Where the matrix differs\n\n",
		[]string{"", "certificate", "endpoint", "at", "seen", "wanted"}, rows)
}

// markdownMatrix folds away the whole matrix.
func (v view) markdownMatrix() block {
	m := v.Matrix
	if m == nil || len(m.Rows) == 0 {
		return block{}
	}
	b := folded(fmt.Sprintf("The matrix at %s: %s", escapeMarkdown(m.Node), counts(v.CellCounts)))
	for _, r := range m.Rows {
		cells := []string{codeMarkdown(r.Certificate)}
		for _, c := range r.Cells {
			cells = append(cells, cellSymbol(c)+" "+escapeMarkdown(shortOutcome(c.Outcome)))
		}
		b.lines = append(b.lines, tableRow(cells...))
	}
	b.head += markdownTable("", append([]string{"certificate"}, each(m.Endpoints, escapeMarkdown)...), b.lines).head
	b.tail = "\n● let in, ○ refused, ❌ fail, ❔ inconclusive, – skipped\n" + b.tail
	return b
}

// markdownPasses folds away the checks of a plane that pass.
func (v view) markdownPasses(p plane) block {
	lines := each(p.checksThat(finding.Pass), func(c check) string {
		return fmt.Sprintf("- %s (%s, %s)\n", escapeMarkdown(c.Title), codeMarkdown(c.ID), escapeMarkdown(v.passesAt(c)))
	})
	return folded(fmt.Sprintf("%s: %d pass", escapeMarkdown(p.Name), len(lines)), lines...).orNothing()
}

// passesAt names the nodes at which a check was not skipped.
func (v view) passesAt(c check) string {
	var parts []string
	for _, o := range c.observations() {
		if o.Key.result != finding.Skipped {
			parts = append(parts, v.nodesOf(o.Items))
		}
	}
	return strings.Join(parts, "; ")
}

func (v view) markdownSkips() block {
	lines := each(v.skips(), func(g group[string, check]) string {
		return fmt.Sprintf("- %s: %s\n", escapeMarkdown(g.Key), strings.Join(each(each(g.Items, idOf), codeMarkdown), ", "))
	})
	return folded(fmt.Sprintf("%d skipped", v.CheckCounts.Skipped), lines...).orNothing()
}

// orNothing returns the block, or an empty one if it has no lines.
func (b block) orNothing() block {
	if len(b.lines) == 0 {
		return block{}
	}
	return b
}

// symbol returns the symbol of a result.
func symbol(result finding.Result) string {
	return map[finding.Result]string{
		finding.Pass: "✅", finding.Fail: "❌", finding.Inconclusive: "❔", finding.Skipped: "–",
	}[result]
}

// cellSymbol returns the symbol of a cell of the matrix.
func cellSymbol(c finding.Cell) string {
	switch {
	case c.Result != finding.Pass:
		return symbol(c.Result)
	case isAccepted(c.Outcome):
		return "●"
	default:
		return "○"
	}
}

// escapeMarkdown makes a text plain: nothing in it is a table's border, code, emphasis, a link, HTML, or the name of
// someone to be notified.
func escapeMarkdown(t string) string {
	var b strings.Builder
	for _, r := range t {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@' || r == '#': // a backslash would keep GitHub neither from notifying nor from linking an issue
			b.WriteRune(r)
			b.WriteString("&#8203;")
		case strings.ContainsRune("\\`*_{}[]()|~!$", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.NewReplacer("://", "&#58;//", "www.", "www&#46;").Replace(b.String()) // GitHub makes links of these
}

// codeMarkdown sets a name as code. What would end the code or a table's cell is replaced.
func codeMarkdown(t string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "¦").Replace(t) + "`"
}

// valueMarkdown sets a value as code, or returns a dash for an empty one.
func valueMarkdown(value string) string {
	if value == "" {
		return "–"
	}
	return codeMarkdown(value)
}
