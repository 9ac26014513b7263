package report

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"

	"nomadlab.internal/lab/finding"
)

// annotationsLimit is how many annotations of each level GitHub keeps of one step; it drops those that follow
// (_maxIssueCount in actions/runner, src/Runner.Worker/ExecutionContext.cs).
const annotationsLimit = 10

// Annotations writes the report as workflow commands of GitHub Actions, a line each, which GitHub shows beside the lines
// of a pull request. What became weaker is an error, what cannot be told a warning, what became stronger a notice.
// Where nothing was compared, a broken promise is an error, and one that is known to be broken, or could not be tried, a
// warning; each check counts once. Of each level there are as many as GitHub keeps, the worst first: where there are
// more, the last of them says how many. A report that gives no cause for any becomes no text at all. Its error is the writer's.
func Annotations(w io.Writer, r finding.Report) error {
	v := newView(r)
	all := v.annotationsOfChanges()
	if v.report.Comparison == nil {
		all = v.annotationsOfFindings()
	}
	var b strings.Builder
	for _, level := range []string{"error", "warning", "notice"} {
		for _, a := range limited(level, all) {
			b.WriteString(a.String())
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report as annotations: %w", err)
	}
	return nil
}

// annotation is one command. File is empty and line 0 where it is about no line.
type annotation struct {
	level, file    string
	line           int
	title, message string
}

// String is the command as GitHub's toolkit writes it (actions/toolkit, packages/core/src/command.ts).
func (a annotation) String() string {
	var properties []string
	if a.file != "" {
		properties = append(properties, "file="+escapeProperty(path.Clean(a.file)))
		if a.line > 0 {
			properties = append(properties, fmt.Sprintf("line=%d", a.line))
		}
	}
	properties = append(properties, "title="+escapeProperty(a.title))
	return fmt.Sprintf("::%s %s::%s\n", a.level, strings.Join(properties, ","), escapeData(a.message))
}

// escapeData is the toolkit's escapeData: what would end the command's line.
func escapeData(t string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(t)
}

// escapeProperty is the toolkit's escapeProperty: what would end a property besides.
func escapeProperty(t string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeData(t))
}

// limited are the annotations of a level, no more than GitHub keeps.
func limited(level string, all []annotation) []annotation {
	var of []annotation
	for _, a := range all {
		if a.level == level {
			of = append(of, a)
		}
	}
	if len(of) <= annotationsLimit {
		return of
	}
	more := len(of) - annotationsLimit + 1
	return append(of[:annotationsLimit-1], annotation{
		level: level, title: fmt.Sprintf("Posture: %d more", more),
		message: fmt.Sprintf("%d more like these, which the report has", more),
	})
}

func (v view) annotationsOfChanges() []annotation {
	var out []annotation
	for _, c := range v.changes() {
		level := map[finding.Direction]string{finding.Weaker: "error", finding.Stronger: "notice"}[c.Direction]
		message := changedHow(c) + ": " + promised(c)
		if c.Setting != "" {
			message += " (most likely by " + c.Setting + ")"
		}
		out = append(out, annotation{
			level: cmp.Or(level, "warning"), file: c.File, line: c.Line,
			title: fmt.Sprintf("Posture %s: %s", c.Direction, c.ID), message: message,
		})
	}
	return out
}

func (v view) annotationsOfFindings() []annotation {
	var out []annotation
	for _, c := range v.of(finding.Fail) {
		level, how := "error", "broken"
		if c.Known != "" {
			level, how = "warning", "broken, as is known"
		}
		out = append(out, v.annotationOf(c, level, how))
	}
	for _, c := range v.of(finding.Inconclusive) {
		out = append(out, v.annotationOf(c, "warning", "not carried out"))
	}
	for _, c := range v.oddCells() {
		level := "error"
		if c.Result != finding.Fail {
			level = "warning"
		}
		out = append(out, annotation{
			level: level, title: fmt.Sprintf("Posture %s: %s at %s", c.Result, c.row.Certificate, c.Endpoint),
			message: fmt.Sprintf("%s at %s of %s: %s", c.row.Title, c.Endpoint, serversOf(v.report.Matrix, c.Cell), c.Reason),
		})
	}
	if len(out) == 0 && v.verdict() != finding.Pass {
		out = append(out, annotation{level: "warning", title: "Posture not proved", message: v.headline()})
	}
	return out
}

// annotationOf is a check, by the first of what was seen of it.
func (v view) annotationOf(c check, level, how string) annotation {
	s := c.sightings()[0]
	message := fmt.Sprintf("%s: at %s: %s", cmp.Or(c.Title, c.ID), v.nodesOf(s.nodes), s.reason)
	if c.Known != "" {
		message += " (known: " + c.Known + ")"
	}
	file, line := v.setAt(c.Finding)
	return annotation{level: level, file: file, line: line, title: fmt.Sprintf("Posture %s: %s", how, c.ID), message: message}
}
