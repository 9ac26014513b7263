// Package report writes what one run of checks has found: as text for a terminal, as JSON, as JUnit XML for CI, as
// Markdown for a pull request, as one HTML page, and as annotations for GitHub Actions. It reads a finding.Report and
// never a cluster.
//
// Every format shows the same result, which is the worst of all checks and of all cells of the matrix. A check that
// ran at several nodes fails if it fails at one of them. A finding without a known result counts as inconclusive. A
// report in which nothing passes proves nothing, and says so.
package report

import (
	"io"

	"nomadlab.internal/lab/finding"
)

// Format is one form in which a report can be written.
type Format struct {
	// Name is what users call it, for example "junit".
	Name string
	// File is the name of the file that holds it, for example "junit.xml".
	File string
	// Write writes the report. It returns the writer's error.
	Write func(io.Writer, finding.Report) error
}

// Formats returns the formats that are kept in files, in the order in which they are listed to users. The text format
// uses the zero TextOptions.
func Formats() []Format {
	text := func(w io.Writer, r finding.Report) error { return Text(w, r, TextOptions{}) }
	return []Format{
		{Name: "text", File: "report.txt", Write: text},
		{Name: "json", File: "report.json", Write: JSON},
		{Name: "junit", File: "junit.xml", Write: JUnit},
		{Name: "markdown", File: "report.md", Write: Markdown},
		{Name: "html", File: "index.html", Write: HTML},
	}
}
