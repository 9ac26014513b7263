package matrix

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Join returns the matrix of both clusters, such as two regions that each have certificates of their own: in each cell is the worst
// that was seen in either, with the servers at which. Both have the same rows and entries. Nil is a cluster without a matrix.
func Join(a, b *finding.Matrix) *finding.Matrix {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	m := &finding.Matrix{Nodes: slices.Concat(a.Nodes, b.Nodes), Endpoints: a.Endpoints}
	m.Node = strings.Join(m.Nodes, ", ")
	for i, row := range a.Rows {
		joined := finding.MatrixRow{Certificate: row.Certificate, Title: row.Title}
		for at, cell := range row.Cells {
			joined.Cells = append(joined.Cells, joinCells(cell, a.Nodes, b.Rows[i].Cells[at], b.Nodes))
		}
		m.Rows = append(m.Rows, joined)
	}
	return m
}

// joinCells is the worse of two cells, each of the servers of its own cluster.
func joinCells(a finding.Cell, ofA []string, b finding.Cell, ofB []string) finding.Cell {
	if b.Result.Rank() < a.Result.Rank() {
		return joinCells(b, ofB, a, ofA)
	}
	at := places(a, ofA)
	others := []finding.Result{a.Elsewhere, b.Elsewhere}
	if a.Result == b.Result {
		at = append(at, places(b, ofB)...)
		if a.Outcome != b.Outcome || a.Result != finding.Pass {
			a.Reason = strings.Join(slices.Compact([]string{a.Reason, b.Reason}), "; ")
		}
	} else {
		others = append(others, b.Result)
	}
	a.At, a.Elsewhere = nil, ""
	if len(at) < len(ofA)+len(ofB) {
		a.At = at
		others = slices.DeleteFunc(others, func(v finding.Result) bool { return v == "" })
		a.Elsewhere = slices.MinFunc(others, func(v, w finding.Result) int { return v.Rank() - w.Rank() })
	}
	return a
}

// places are the servers at which the cell's result was seen.
func places(c finding.Cell, all []string) []string {
	if len(c.At) > 0 {
		return slices.Clone(c.At)
	}
	return slices.Clone(all)
}
