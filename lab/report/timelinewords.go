package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/finding"
)

// timelineSection tells each event in a line: when, at which node, what. A bad one has the word BAD.
func (t *textWriter) timelineSection() {
	d := t.drawnTimeline()
	if d == nil {
		return
	}
	t.printf("\n")
	t.line(t.paint("timeline", text.Bold)+"  ", d.Title+": "+d.Summary)
	widest, names := 0, 0
	for _, e := range d.Events {
		widest, names = max(widest, len(e.When)), max(names, text.StringWidthWithoutEscSequences(cut(e.Node, longestName)))
	}
	for _, e := range d.Events {
		name := text.Pad(cut(e.Node, longestName), names, ' ')
		t.line(fmt.Sprintf("  %*s  %s  %s  ", widest, e.When, t.badWord(e.Bad), name), e.What)
	}
	for _, l := range d.Load {
		t.line(fmt.Sprintf("  %*s  %s  ", widest, "", t.badWord(l.Bad)), l.Name+": "+l.Text)
	}
}

// longestName is the number of letters of a node's name that a line of the timeline has.
const longestName = 24

func (t *textWriter) badWord(bad bool) string {
	if bad {
		return t.paint("BAD", coloursOf(finding.Fail)...)
	}
	return "   "
}

// markdownBadEvents lists what a user of the cluster would have noticed, and the work beside the change.
func (v view) markdownBadEvents() block {
	d := v.drawnTimeline()
	if d == nil {
		return block{}
	}
	b := block{head: fmt.Sprintf("### %s: %s\n\n", escapeMarkdown(d.Title), escapeMarkdown(d.Summary)), tail: "\n"}
	for _, l := range d.Load {
		b.lines = append(b.lines, fmt.Sprintf("- %s %s: %s\n", badSymbol(l.Bad), escapeMarkdown(l.Name), escapeMarkdown(l.Text)))
	}
	for _, e := range d.Events {
		if e.Bad {
			b.lines = append(b.lines, fmt.Sprintf("- %s %s %s\n", badSymbol(true), e.When, escapeMarkdown(strings.TrimSpace(e.Node+" "+e.What))))
		}
	}
	if len(b.lines) == 0 {
		b.tail = ""
	}
	return b
}

// markdownEvents folds away the whole timeline.
func (v view) markdownEvents() block {
	d := v.drawnTimeline()
	if d == nil {
		return block{}
	}
	b := folded("What happened when")
	for _, e := range d.Events {
		symbol := ""
		if e.Bad {
			symbol = badSymbol(true)
		}
		b.lines = append(b.lines, tableRow(e.When, symbol, escapeMarkdown(e.Node), escapeMarkdown(e.What)))
	}
	b.head += markdownTable("", []string{"when", "bad", "node", "what"}, b.lines).head
	return b
}

func badSymbol(bad bool) string {
	if bad {
		return symbol(finding.Fail)
	}
	return symbol(finding.Pass)
}
