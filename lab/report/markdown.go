package report

import (
	"fmt"
	"io"
	"strings"

	"nomadlab.internal/lab/finding"
)

// markdownLimit is how many characters GitHub takes as a comment; what is longer it refuses.
const markdownLimit = 65536

// Markdown writes the report for a pull request: the result, what has changed where anything was compared, a table of what
// is broken and what was not carried out, the matrix, and the rest folded away. It is never longer than a comment on GitHub may be: sections that do not fit
// are left out from the end on, and a note says so. Its error is the writer's.
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

// block is a part of a page whose lines may be left out from the end on without breaking what is around them.
type block struct {
	head  string
	lines []string
	tail  string
}

func (b block) String() string { return b.head + strings.Join(b.lines, "") + b.tail }

// within is as much of the block as has room. Length is counted in bytes, which are never fewer than characters.
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
	return block{head: b.head, lines: b.lines[:fit], tail: b.tail}.String()
}

func (v view) markdownBlocks() []block {
	blocks := []block{v.markdownVerdict(), v.markdownChanges(), v.markdownSettings(), v.markdownCounts()}
	blocks = append(blocks, v.markdownTable(finding.Fail, "What is broken"), v.markdownTable(finding.Inconclusive, "What could not be tried"))
	blocks = append(blocks, v.markdownConfiguration())
	blocks = append(blocks, v.markdownMatrix()...)
	for _, p := range v.planes {
		blocks = append(blocks, v.markdownHeld(p))
	}
	return append(blocks, v.markdownSkips())
}

func (v view) markdownVerdict() block {
	text := fmt.Sprintf("## %s %s\n\n", symbol(v.verdict()), escapeMarkdown(v.headline()))
	if l := v.matrixLine(); l != "" {
		text += escapeMarkdown(l) + "\n\n"
	}
	if l := v.about(); l != "" {
		text += escapeMarkdown(l) + "\n\n"
	}
	notes := make([]string, len(v.report.Notes))
	for i, n := range v.report.Notes {
		notes[i] = "- " + escapeMarkdown(n) + "\n"
	}
	if len(notes) > 0 {
		text += strings.Join(notes, "") + "\n"
	}
	return block{head: text}
}

// markdownCounts is a table of the planes.
func (v view) markdownCounts() block {
	if v.checks.Total() == 0 {
		return block{}
	}
	b := block{head: "| plane | broken | not carried out | held | skipped |\n| --- | ---: | ---: | ---: | ---: |\n"}
	for _, p := range v.planes {
		c := p.counts
		b.lines = append(b.lines, tableRow(
			escapeMarkdown(p.name), fmt.Sprint(c.Fail), fmt.Sprint(c.Inconclusive), fmt.Sprint(c.Pass), fmt.Sprint(c.Skipped)))
	}
	return b
}

// markdownTable lists the checks of a result; an empty block where there is none.
func (v view) markdownTable(verdict finding.Result, title string) block {
	b := block{head: "\n### " + title + "\n\n| | check | at | seen | wanted | why |\n| --- | --- | --- | --- | --- | --- |\n"}
	for _, c := range v.of(verdict) {
		for _, s := range c.sightings() {
			if s.verdict == verdict {
				b.lines = append(b.lines, v.markdownSighting(c, s))
			}
		}
	}
	if len(b.lines) == 0 {
		return block{}
	}
	return b
}

func (v view) markdownSighting(c check, s sighting) string {
	why := escapeMarkdown(c.Why)
	if c.Known != "" {
		why = "known: " + escapeMarkdown(c.Known) + "<br>" + why
	}
	if on := v.restsOn(c.Finding); on != "" {
		why += "<br>rests on: " + escapeMarkdown(on)
	}
	seen := escapeMarkdown(s.outcome)
	if s.verdict == finding.Inconclusive {
		seen = escapeMarkdown(s.reason)
	}
	return tableRow(
		strings.TrimSpace(symbol(s.verdict)+" "+escapeMarkdown(c.Severity)), escapeMarkdown(c.Title)+"<br>"+codeMarkdown(c.ID),
		escapeMarkdown(v.nodesOf(s.nodes)), seen, escapeMarkdown(oneOf(c.Want)), why,
	)
}

// markdownMatrix is the odd cells, then the whole matrix folded away.
func (v view) markdownMatrix() []block {
	m := v.report.Matrix
	if m == nil || len(m.Rows) == 0 {
		return nil
	}
	odd := block{head: "\n### Where the matrix differs\n\n| | certificate | entry | at | seen | wanted |\n| --- | --- | --- | --- | --- | --- |\n"}
	for _, c := range v.oddCells() {
		odd.lines = append(odd.lines, tableRow(symbol(c.Result), codeMarkdown(c.row.Certificate), escapeMarkdown(c.Endpoint),
			escapeMarkdown(serversOf(m, c.Cell)), escapeMarkdown(c.Outcome), escapeMarkdown(c.Want)))
	}
	if len(odd.lines) == 0 {
		odd = block{}
	}
	grid := block{
		head: fmt.Sprintf("\n<details><summary>The matrix at %s: %s</summary>\n\n", escapeMarkdown(m.Node), counts(v.cells)) +
			tableRow(append([]string{"certificate"}, each(m.Endpoints, escapeMarkdown)...)...) +
			"|" + strings.Repeat(" --- |", len(m.Endpoints)+1) + "\n",
		tail: "\n● let in, ○ refused, ❌ broken, ❔ not carried out, – skipped\n\n</details>\n",
	}
	for _, r := range m.Rows {
		cells := []string{codeMarkdown(r.Certificate)}
		for _, c := range r.Cells {
			cells = append(cells, cellSymbol(c)+" "+escapeMarkdown(shortOutcome(c.Outcome)))
		}
		grid.lines = append(grid.lines, tableRow(cells...))
	}
	return []block{odd, grid}
}

// markdownHeld folds away what held in a plane.
func (v view) markdownHeld(p plane) block {
	held := p.of(finding.Pass)
	if len(held) == 0 {
		return block{}
	}
	b := block{
		head: fmt.Sprintf("\n<details><summary>%s: %d held</summary>\n\n", escapeMarkdown(p.name), len(held)),
		tail: "\n</details>\n",
	}
	for _, c := range held {
		b.lines = append(b.lines, fmt.Sprintf("- %s (%s, %s)\n", escapeMarkdown(c.Title), codeMarkdown(c.ID), escapeMarkdown(v.tally(c))))
	}
	return b
}

func (v view) markdownSkips() block {
	b := block{
		head: fmt.Sprintf("\n<details><summary>%d skipped</summary>\n\n", v.checks.Skipped),
		tail: "\n</details>\n",
	}
	for _, s := range v.skips() {
		b.lines = append(b.lines, fmt.Sprintf("- %s: %s\n", escapeMarkdown(s.reason), strings.Join(each(s.checks, codeMarkdown), ", ")))
	}
	if len(b.lines) == 0 {
		return block{}
	}
	return b
}
