package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/finding"
)

// grid writes a table without lines, its columns as wide as their texts. All columns but the first are aligned to align.
func (t *textWriter) grid(names []string, rows [][]string, align text.Align) {
	g := table.NewWriter()
	g.SetOutputMirror(t.out)
	g.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	g.SetStyle(style)
	var configs []table.ColumnConfig
	for i := range names[1:] {
		configs = append(configs, table.ColumnConfig{Number: i + 2, Align: align, AlignHeader: align})
	}
	g.SetColumnConfigs(configs)
	g.AppendHeader(each(names, func(n string) any { return t.paint(n, text.Faint) }))
	for _, r := range rows {
		g.AppendRow(each(r, func(cell string) any { return cell }))
	}
	g.Render()
}

// countsTable counts the checks of each plane, and the cells of the matrix.
func (t *textWriter) countsTable() {
	if t.CheckCounts.Total()+t.CellCounts.Total() == 0 {
		return
	}
	var rows [][]string
	for _, p := range t.Planes {
		rows = append(rows, t.countsRow(p.Name, p.Counts))
	}
	if t.CellCounts.Total() > 0 {
		rows = append(rows, t.countsRow("matrix", t.CellCounts))
	}
	t.printf("\n")
	t.grid([]string{"PLANE", "FAIL", "INCONCLUSIVE", "PASS", "SKIPPED"}, rows, text.AlignRight)
}

func (t *textWriter) countsRow(name string, s finding.Summary) []string {
	return []string{
		name, t.number(s.Fail, coloursOf(finding.Fail)...), t.number(s.Inconclusive, coloursOf(finding.Inconclusive)...),
		t.number(s.Pass, coloursOf(finding.Pass)...), t.number(s.Skipped),
	}
}

// number returns a number in colours, or a dash for 0.
func (t *textWriter) number(n int, colours ...text.Color) string {
	if n == 0 {
		return t.paint("-", text.Faint)
	}
	return t.paint(fmt.Sprint(n), colours...)
}

// matrixSection shows the cells that need attention; if Verbose, also the whole matrix.
func (t *textWriter) matrixSection() {
	odd, m := t.oddCells(), t.Matrix
	if m == nil || (len(odd) == 0 && !t.Verbose) {
		return
	}
	at := m.Node
	if len(m.Nodes) > 1 {
		at = count(len(m.Nodes), "server")
	}
	t.printf("\n%s  %s\n", t.paint("matrix at "+at, text.Bold), counts(t.CellCounts))
	full := t.inFull(len(odd))
	for _, c := range odd[:full] {
		servers := ""
		if len(c.At) > 0 {
			servers = " of " + t.serversOf(c.Cell)
		}
		t.line("  "+t.word(c.Result)+"  ", t.paint(c.row.Certificate+" at "+c.Endpoint, text.Bold)+servers)
		const margin = "    "
		t.field(margin, "row", c.row.Title)
		t.field(margin, "seen", t.paint(c.Outcome, text.Bold)+besideOutcome(c.Outcome, c.Want))
		t.field(margin, "because", c.Reason)
		if t.Verbose {
			t.evidence(c.Evidence)
		}
	}
	if full < len(odd) {
		t.printf("  and %d more cells, which -v lists\n", len(odd)-full)
	}
	if t.Verbose && len(m.Rows) > 0 {
		t.printf("\n")
		rows := each(m.Rows, func(r finding.MatrixRow) []string {
			return append([]string{r.Certificate}, each(r.Cells, t.cellWord)...)
		})
		t.grid(append([]string{"CERTIFICATE"}, each(m.Endpoints, strings.ToUpper)...), rows, text.AlignDefault)
	}
}

// cellWord returns the outcome of a cell, with its result if that is not pass.
func (t *textWriter) cellWord(c finding.Cell) string {
	outcome := shortOutcome(c.Outcome)
	switch c.Result {
	case finding.Pass:
		if isAccepted(c.Outcome) {
			return t.paint(outcome, text.FgBlue)
		}
		return outcome
	case finding.Fail:
		return t.paint("FAIL: "+outcome, coloursOf(c.Result)...)
	case finding.Skipped:
		return t.paint("-", text.Faint)
	default:
		return t.paint("? "+outcome, text.FgYellow)
	}
}

// shortOutcome returns an outcome in words that are short enough for a cell of the page on a phone.
func shortOutcome(outcome string) string {
	switch outcome {
	case "accepted":
		return "let in"
	case "refused in the handshake":
		return "refused"
	case "refused after the handshake":
		return "cut off"
	case "":
		return "not tried"
	default:
		return outcome
	}
}

// isAccepted reports whether the outcome means that the caller was let in.
func isAccepted(outcome string) bool { return outcome == "accepted" || outcome == "found" }

// cut shortens a text to n letters.
func cut(t string, n int) string {
	if r := []rune(t); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return t
}
