package report

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/finding"
)

// markdownChanges is a table of what has changed, the worst first, or a line that says that nothing has.
func (v view) markdownChanges() block {
	if v.report.Comparison == nil {
		return block{}
	}
	since := codeMarkdown(v.since())
	changes := v.changes()
	if len(changes) == 0 {
		what := "Nothing has changed since "
		if len(v.report.Comparison.Settings) > 0 {
			what = "No promise has changed since "
		}
		return block{head: "### " + symbol(finding.Pass) + " " + what + since + "\n\n"}
	}
	b := block{
		head: fmt.Sprintf("### Changed since %s: %s\n\n| | severity | plane | promise | change | most likely by |\n", since, v.ways()) +
			"| --- | --- | --- | --- | --- | --- |\n",
		tail: "\n",
	}
	for _, c := range changes {
		by := ""
		if c.Setting != "" {
			by = codeMarkdown(c.Setting)
		}
		if at := place(c.File, c.Line); by != "" && at != "" {
			by += "<br>" + codeMarkdown(at)
		}
		b.lines = append(b.lines, tableRow(
			symbolOfWay(c.Direction)+" "+string(c.Direction), escapeMarkdown(c.Severity), escapeMarkdown(c.Plane),
			escapeMarkdown(promised(c))+"<br>"+codeMarkdown(c.ID), escapeMarkdown(changedHow(c)), by,
		))
	}
	return b
}

// markdownSettings lists the settings that differ, whatever came of it, with what was left out of the comparison.
func (v view) markdownSettings() block {
	c := v.report.Comparison
	if c == nil {
		return block{}
	}
	var b block
	if c.Note != "" {
		b.head = escapeMarkdown(c.Note) + "\n\n"
	}
	if len(c.Settings) == 0 {
		return b
	}
	b.head += "**" + v.settingsWords() + "**\n\n"
	b.tail = "\n"
	for _, s := range c.Settings {
		b.lines = append(b.lines, "- "+codeMarkdown(s.String())+"\n")
	}
	return b
}

// symbolOfWay is a change at a glance.
func symbolOfWay(w finding.Direction) string {
	switch w {
	case finding.Weaker:
		return symbol(finding.Fail)
	case finding.Stronger:
		return symbol(finding.Pass)
	default:
		return symbol(finding.Inconclusive)
	}
}

// markdownConfiguration folds away the files that the cluster ran, and the lines that were not used as they stand.
func (v view) markdownConfiguration() block {
	if v.report.Configuration == nil {
		return block{}
	}
	b := block{
		head: fmt.Sprintf("\n<details><summary>The configuration: %s</summary>\n\n", v.unusedWords()),
		tail: "\n</details>\n",
	}
	for _, r := range v.roleFiles() {
		b.head += fmt.Sprintf("- %s: %s\n", escapeMarkdown(r.role), strings.Join(each(r.files, codeMarkdown), ", "))
	}
	all := v.unused()
	if len(all) == 0 {
		return b
	}
	b.head += "\n| where | setting | was | became | because |\n| --- | --- | --- | --- | --- |\n"
	for _, u := range all {
		for _, r := range u.lines {
			b.lines = append(b.lines, tableRow(codeMarkdown(placeOf(r)), codeMarkdown(r.Setting),
				valueMarkdown(r.Was), valueMarkdown(r.Became), escapeMarkdown(u.because)))
		}
	}
	return b
}

// valueMarkdown is a value as code, or a dash for none.
func valueMarkdown(value string) string {
	if value == "" {
		return "–"
	}
	return codeMarkdown(value)
}
