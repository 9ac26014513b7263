package report

import (
	"fmt"

	"nomadlab.internal/lab/finding"
)

// matrixPage is the heat map.
type matrixPage struct {
	Node, Counts string
	Entries      []string
	Rows         []matrixRowPage
}

type matrixRowPage struct {
	Certificate, Title string
	Cells              []cellPage
}

// cellPage is a cell; Class is its colour, Symbol and Word say the same without it.
type cellPage struct {
	ID, Class, Symbol, Word                string
	Certificate, Entry, Want, Seen, Reason string
	// At are the servers at which it was so.
	At       string
	Verdict  badge
	Evidence []evidencePage
}

// matrixPage is nil where nothing was probed.
func (v view) matrixPage() *matrixPage {
	m := v.report.Matrix
	if m == nil || len(m.Rows) == 0 || len(m.Endpoints) == 0 {
		return nil
	}
	out := &matrixPage{Node: m.Node, Counts: counts(v.cells), Entries: m.Endpoints}
	for i, r := range m.Rows {
		row := matrixRowPage{Certificate: r.Certificate, Title: r.Title}
		for j, c := range r.Cells {
			row.Cells = append(row.Cells, newCellPage(r, c, serversOf(m, c), fmt.Sprintf("cell-%d-%d", i+1, j+1)))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

func newCellPage(r finding.MatrixRow, c finding.Cell, at, id string) cellPage {
	b := newBadge(c.Result)
	out := cellPage{
		ID: id, Class: b.Class, Symbol: b.Symbol, Word: shortOutcome(c.Outcome), Verdict: b,
		Certificate: r.Title, Entry: c.Endpoint, At: at, Want: c.Want, Seen: c.Outcome, Reason: c.Reason, Evidence: evidencePages(c.Evidence),
	}
	switch {
	case c.Result == finding.Skipped:
		out.Word = "skipped"
	case c.Result == finding.Pass && letIn(c.Outcome):
		out.Class, out.Symbol = "open", "●"
	case c.Result == finding.Pass:
		out.Class, out.Symbol = "shut", "○"
	}
	return out
}
