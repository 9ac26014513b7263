// Package report tells what one run of checks has found: as text for a terminal, as JSON, as JUnit XML for CI, as
// Markdown for a pull request, and as one HTML page. It reads a finding.Report and nothing else, and never a cluster.
//
// Every format has the same result, which is the worst of what was tried: a promise is broken when it is broken at one
// node, or in one cell of the matrix, and what nobody judged is not carried out. A report in which nothing held proves
// nothing, and says so.
package report

import (
	"io"

	"nomadlab.internal/lab/finding"
)

// Format is one way to tell a report.
type Format struct {
	// Name is what users call it, for example "junit".
	Name string
	// File is the name of the file that it is kept in, for example "junit.xml".
	File string
	// Write tells the report. Its error is the writer's.
	Write func(io.Writer, finding.Report) error
}

// Formats are all formats, in the order in which they are listed to users. Text is told there with its defaults.
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
