package report

import (
	"encoding/json"
	"fmt"
	"io"

	"nomadlab.internal/lab/finding"
)

// Schema names the form of what JSON writes. docs/report-schema.json describes it. A new field keeps the number; a field
// that is removed or changes its meaning makes a new number.
const Schema = "nomadlab-report/2"

// document is what JSON writes.
type document struct {
	Schema  string         `json:"schema"`
	Result  finding.Result `json:"result"`
	Summary summary        `json:"summary"`
	finding.Report
}

// summary has the counts that every format shows.
type summary struct {
	// Checks counts each check once, by its worst result. Findings counts each check at each node.
	Checks   finding.Summary `json:"checks"`
	Findings finding.Summary `json:"findings"`
	// Matrix counts the cells of the matrix.
	Matrix finding.Summary `json:"matrix"`
	// Changes counts what has changed; nil if nothing was compared.
	Changes map[finding.Direction]int `json:"changes,omitempty"`
}

// JSON writes the report in the form that Schema names, with its result and its counts. Lists that are nil become empty,
// unknown results inconclusive, and unknown directions unclear. It returns the writer's error.
func JSON(w io.Writer, r finding.Report) error {
	v := newView(r)
	doc := document{
		Schema: Schema, Result: v.result(), Report: normalized(r, func(t string) string { return t }),
		Summary: summary{Checks: v.CheckCounts, Findings: v.FindingCounts, Matrix: v.CellCounts, Changes: v.directionCounts()},
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("write report as JSON: %w", err)
	}
	return nil
}
