package report

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"

	"nomadlab.internal/lab/finding"
)

// annotationsLimit is the number of annotations of each level that GitHub keeps of one step. It drops those that follow
// (_maxIssueCount in actions/runner, src/Runner.Worker/ExecutionContext.cs).
const annotationsLimit = 10

// Annotations writes the report as workflow commands of GitHub Actions, one on each line. GitHub shows them beside the
// lines of a pull request.
//
// If the report has a comparison, a weaker change is an error, an unclear one a warning, and a stronger one a notice.
// Otherwise a check or a cell that fails is an error, and one that is inconclusive or known to fail is a warning. Of each
// level, the worst are written, as many as GitHub keeps; if there are more, the last one says how many. Nothing is
// written if there is nothing of this kind. Annotations returns the writer's error.
func Annotations(w io.Writer, r finding.Report) error {
	v := newView(r)
	all := v.annotationsOfChanges()
	if v.Comparison == nil {
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

// annotation is one command. File is empty if it is about no file, and line is 0 if it is about no line.
type annotation struct {
	level, file    string
	line           int
	title, message string
}

// String returns the command as GitHub's toolkit writes it (actions/toolkit, packages/core/src/command.ts).
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

// escapeData escapes what would end the command's line, as the toolkit's escapeData does.
func escapeData(t string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(t)
}

// escapeProperty also escapes what would end a property, as the toolkit's escapeProperty does.
func escapeProperty(t string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeData(t))
}

// limited returns the annotations of one level, as many as GitHub keeps.
func limited(level string, all []annotation) []annotation {
	var out []annotation
	for _, a := range all {
		if a.level == level {
			out = append(out, a)
		}
	}
	if more := len(out) - annotationsLimit + 1; more > 1 {
		out[annotationsLimit-1] = annotation{
			level: level, title: fmt.Sprintf("Posture: %d more", more),
			message: fmt.Sprintf("%d more like these, which the report has", more),
		}
		out = out[:annotationsLimit]
	}
	return out
}

func (v view) annotationsOfChanges() []annotation {
	levels := map[finding.Direction]string{finding.Weaker: "error", finding.Unclear: "warning", finding.Stronger: "notice"}
	return each(v.changes(), func(c finding.Change) annotation {
		message := changedHow(c) + ": " + titleOf(c)
		if c.Setting != "" {
			message += " (most likely by " + c.Setting + ")"
		}
		return annotation{
			level: levels[c.Direction], file: c.File, line: c.Line,
			title: fmt.Sprintf("Posture %s: %s", c.Direction, c.ID), message: message,
		}
	})
}

func (v view) annotationsOfFindings() []annotation {
	var out []annotation
	for _, c := range v.checksThat(finding.Fail) {
		out = append(out, v.annotationOf(c))
	}
	for _, c := range v.checksThat(finding.Inconclusive) {
		out = append(out, v.annotationOf(c))
	}
	for _, c := range v.oddCells() {
		out = append(out, annotation{
			level: levelOf(c.Result), title: fmt.Sprintf("Posture %s: %s at %s", c.Result, c.row.Certificate, c.Endpoint),
			message: fmt.Sprintf("%s at %s of %s: %s", c.row.Title, c.Endpoint, v.serversOf(c.Cell), c.Reason),
		})
	}
	if len(out) == 0 && v.result() != finding.Pass {
		out = append(out, annotation{level: "warning", title: "Posture not proved", message: v.headline()})
	}
	return out
}

// levelOf returns the level of a result that needs attention.
func levelOf(result finding.Result) string {
	if result == finding.Fail {
		return "error"
	}
	return "warning"
}

// annotationOf describes a check by the worst of its observations.
func (v view) annotationOf(c check) annotation {
	worst := c.observations()[0]
	a := annotation{
		level: levelOf(c.Result), title: fmt.Sprintf("Posture %s: %s", c.Result, c.ID),
		message: fmt.Sprintf("%s: at %s: %s", cmp.Or(c.Title, c.ID), v.nodesOf(worst.Items), worst.Key.reason),
	}
	if c.Result == finding.Fail && c.Known != "" {
		a.level, a.title = "warning", fmt.Sprintf("Posture %s, as is known: %s", c.Result, c.ID)
	}
	if c.Known != "" {
		a.message += " (known: " + c.Known + ")"
	}
	a.file, a.line = v.setAt(c.Finding)
	return a
}
