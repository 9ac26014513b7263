package matrix

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// Join returns one matrix of two clusters, for example of two regions that each have certificates of their own. Each
// cell is the worst result in either, with the servers that gave it. Both must have the same rows and endpoints. A
// cluster without a matrix is nil; Join may then return its other argument itself.
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

// joinCells returns the worse of two cells, each with the servers of its cluster.
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

// places returns the servers that gave the cell's result.
func places(c finding.Cell, all []string) []string {
	if len(c.At) > 0 {
		return slices.Clone(c.At)
	}
	return slices.Clone(all)
}
