package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/finding"
)

// grid writes a table without lines, each column as wide as it must be; columns after the first are numbers where right.
func (t *sheet) grid(names []string, rows [][]string, right bool) {
	g := table.NewWriter()
	g.SetOutputMirror(t.out)
	g.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	g.SetStyle(style)
	header := make(table.Row, len(names))
	configs := make([]table.ColumnConfig, len(names))
	for i, n := range names {
		header[i] = t.paint(n, text.Faint)
		configs[i] = table.ColumnConfig{Number: i + 1}
		if right && i > 0 {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	g.AppendHeader(header)
	g.SetColumnConfigs(configs)
	for _, r := range rows {
		row := make(table.Row, len(r))
		for i, c := range r {
			row[i] = c
		}
		g.AppendRow(row)
	}
	g.Render()
}

// countsTable counts the checks of each plane, and the cells of the matrix.
func (t *sheet) countsTable() {
	if t.checks.Total()+t.cells.Total() == 0 {
		return
	}
	var rows [][]string
	for _, p := range t.planes {
		rows = append(rows, t.countsRow(p.name, p.counts))
	}
	if t.cells.Total() > 0 {
		rows = append(rows, t.countsRow("matrix", t.cells))
	}
	t.printf("\n")
	t.grid([]string{"PLANE", "BROKEN", "NOT CARRIED OUT", "HELD", "SKIPPED"}, rows, true)
}

func (t *sheet) countsRow(name string, s finding.Summary) []string {
	return []string{
		name,
		t.number(s.Fail, text.Bold, text.FgRed), t.number(s.Inconclusive, text.Bold, text.FgYellow),
		t.number(s.Pass, text.FgGreen), t.number(s.Skipped),
	}
}

// number is painted where it is not 0, which is a dash.
func (t *sheet) number(n int, colours ...text.Color) string {
	if n == 0 {
		return t.paint("-", text.Faint)
	}
	return t.paint(fmt.Sprint(n), colours...)
}

// matrixSection shows the cells that need attention, and the whole matrix when Verbose.
func (t *sheet) matrixSection() {
	odd := t.oddCells()
	if t.report.Matrix == nil || (len(odd) == 0 && !t.Verbose) {
		return
	}
	t.printf("\n%s  %s\n", t.paint("matrix at "+placeOfMatrix(t.report.Matrix), text.Bold), counts(t.cells))
	full := t.inFull(len(odd))
	for _, c := range odd[:full] {
		t.line("  "+t.word(c.Result)+"  ", t.paint(c.row.Certificate+" at "+c.Endpoint, text.Bold)+ofServers(t.report.Matrix, c.Cell))
		const margin = "    "
		t.entry(margin, "row", c.row.Title)
		t.entry(margin, "seen", t.paint(c.Outcome, text.Bold)+besideSeen(c.Outcome, c.Want))
		t.entry(margin, "because", c.Reason)
		if t.Verbose {
			t.evidenceLines(c.Evidence)
		}
	}
	if full < len(odd) {
		t.printf("  and %d more cells, which -v lists\n", len(odd)-full)
	}
	if t.Verbose && len(t.report.Matrix.Rows) > 0 {
		t.printf("\n")
		t.wholeMatrix()
	}
}

func (t *sheet) wholeMatrix() {
	m := t.report.Matrix
	rows := make([][]string, 0, len(m.Rows))
	for _, r := range m.Rows {
		row := []string{r.Certificate}
		for _, c := range r.Cells {
			row = append(row, t.cellWord(c))
		}
		rows = append(rows, row)
	}
	t.grid(append([]string{"CERTIFICATE"}, each(m.Endpoints, strings.ToUpper)...), rows, false)
}

// cellWord is a cell's outcome in a word; what did not hold is said in capitals.
func (t *sheet) cellWord(c finding.Cell) string {
	short := shortOutcome(c.Outcome)
	switch c.Result {
	case finding.Pass:
		if letIn(c.Outcome) {
			return t.paint(short, text.FgBlue)
		}
		return short
	case finding.Fail:
		return t.paint("BROKEN: "+short, text.Bold, text.FgRed)
	case finding.Skipped:
		return t.paint("-", text.Faint)
	default:
		return t.paint("? "+short, text.FgYellow)
	}
}

// shortOutcome is an outcome in a word or two, for a cell.
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

// letIn says whether the outcome means that the door was open.
func letIn(outcome string) bool { return outcome == "accepted" || outcome == "found" }

// skipsSection sums up what was skipped everywhere, by reason.
func (t *sheet) skipsSection() {
	skips := t.skips()
	if len(skips) == 0 {
		return
	}
	t.printf("\n%s\n", t.paint("skipped", text.Bold))
	for _, s := range skips {
		t.line(fmt.Sprintf("  %3d  ", len(s.checks)), s.reason+": "+few(s.checks))
	}
}
