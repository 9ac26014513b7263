package report

import (
	"encoding/json"
	"fmt"
	"io"

	"nomadlab.internal/lab/finding"
)

// Schema names the form of what JSON writes, which docs/report-schema.json describes. Fields may be added under the same
// number; one that goes or changes its meaning makes a new one.
const Schema = "nomadlab-report/1"

// document is what JSON writes.
type document struct {
	Schema  string         `json:"schema"`
	Verdict finding.Result `json:"result"`
	Summary summary        `json:"summary"`
	finding.Report
}

// summary has the counts that every other format shows.
type summary struct {
	// Checks counts promises, each by its worst result; Findings counts what was found of them at the nodes.
	Checks   finding.Summary `json:"checks"`
	Findings finding.Summary `json:"findings"`
	// Matrix counts the cells of the matrix.
	Matrix finding.Summary `json:"matrix"`
	// Changes counts what has changed; nil where nothing was compared.
	Changes *ways `json:"changes,omitempty"`
}

// JSON writes the report as it is, with the result and the counts, as Schema says. Its error is the writer's.
func JSON(w io.Writer, r finding.Report) error {
	v := newView(r)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	doc := document{
		Schema: Schema, Verdict: v.verdict(), Report: withoutNull(r),
		Summary: summary{Checks: v.checks, Findings: v.findings, Matrix: v.cells, Changes: v.ways()},
	}
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("write report as JSON: %w", err)
	}
	return nil
}

// withoutNull makes lists that are not there empty ones, so that readers need not tell the two apart, and results that
// are none NotCarriedOut, ways that are none Unclear.
func withoutNull(r finding.Report) finding.Report {
	r.Cluster.Nodes = each(r.Cluster.Nodes, same)
	r.Findings = each(r.Findings, func(f finding.Finding) finding.Finding {
		f.Want, f.Result = each(f.Want, same), known(f.Result)
		return f
	})
	if r.Matrix != nil {
		r.Matrix = matrixWithoutNull(*r.Matrix)
	}
	if r.Configuration != nil {
		c := *r.Configuration
		c.Files, c.Settings = each(c.Files, same), each(c.Settings, same)
		r.Configuration = &c
	}
	if r.Comparison != nil {
		c := *r.Comparison
		c.Changes = each(c.Changes, func(c finding.Change) finding.Change {
			c.Before.Result, c.After.Result, c.Direction = knownState(c.Before.Result), knownState(c.After.Result), knownWay(c.Direction)
			return c
		})
		r.Comparison = &c
	}
	return r
}

func matrixWithoutNull(m finding.Matrix) *finding.Matrix {
	m.Endpoints = each(m.Endpoints, same)
	m.Rows = each(m.Rows, func(row finding.MatrixRow) finding.MatrixRow {
		row.Cells = each(row.Cells, func(c finding.Cell) finding.Cell {
			c.Result = known(c.Result)
			return c
		})
		return row
	})
	return &m
}

func same[T any](v T) T { return v }
