package report

import (
	"strings"

	"nomadlab.internal/lab/finding"
)

func tableRow(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// symbol is a result at a glance.
func symbol(v finding.Result) string {
	switch v {
	case finding.Pass:
		return "✅"
	case finding.Fail:
		return "❌"
	case finding.Skipped:
		return "–"
	default:
		return "❔"
	}
}

// cellSymbol is a cell of the matrix at a glance.
func cellSymbol(c finding.Cell) string {
	switch {
	case c.Result != finding.Pass:
		return symbol(c.Result)
	case letIn(c.Outcome):
		return "●"
	default:
		return "○"
	}
}

// escapeMarkdown makes a text plain: nothing in it is a table's border, code, emphasis, a link, HTML, or the name of
// somebody who would be notified.
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
		case r == '@' || r == '#': // a backslash would not keep GitHub from notifying, nor from linking an issue
			b.WriteRune(r)
			b.WriteString("&#8203;")
		case strings.ContainsRune("\\`*_{}[]()|~!$", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.NewReplacer("://", "&#58;//", "www.", "www&#46;").Replace(b.String()) // no link makes itself
}

// codeMarkdown is a name set as code. What would end the code, or a table's cell, is replaced.
func codeMarkdown(t string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "¦").Replace(t) + "`"
}
