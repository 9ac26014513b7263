package posture_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/catalogue"
)

// catalogueIDs are the IDs of all checks, in the catalogue's order.
func catalogueIDs(t *testing.T) []string {
	t.Helper()
	checks, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(checks))
	for i, c := range checks {
		ids[i] = c.Spec().ID
	}
	return ids
}

// page is docs/checks.md.
func (a *table) page() []byte {
	var page bytes.Buffer
	rows := map[string]bool{}
	for _, f := range a.checks {
		rows[strings.Join(a.breaking(f.ID), " ")] = true
	}
	fmt.Fprintf(&page, `# The checks, and what each of them caught

`+"`nomadlab check`"+` carries these out. TestEveryCheckCanFail in scenarios/posture writes this page: for each weakening below, it
brings up a hardened lab that lacks one line, and sees which checks break. All of them hold on the hardened lab.

%d checks, %d weakenings. %d checks break at lines of their own; those that break at the same lines as another show the
same thing in another way. A check counts as seen to fail only at a weakening that leaves more than half of its plane's
checks alone.
`, len(a.checks), len(a.columns), len(rows))
	for _, plane := range a.planes() {
		fmt.Fprintf(&page, "\n## %s\n\n| check | the promise | kind, severity | why | caught |\n| --- | --- | --- | --- | --- |\n", plane)
		for _, f := range a.checks {
			if f.Plane == plane {
				fmt.Fprintf(&page, "| %s | %s | %s, %s | %s | %s |\n", f.ID, cell(f.Title), f.Kind, f.Severity, cell(f.Why), a.lines(f))
			}
		}
	}
	fmt.Fprint(&page, "\n## The weakenings, and all that each of them breaks\n\n| weakening | the line | breaks |\n| --- | --- | --- |\n")
	for _, c := range a.columns {
		fmt.Fprintf(&page, "| %s | %s | %s |\n", c.id, code(c.line), strings.Join(a.broken(c), "<br>"))
	}
	return page.Bytes()
}

// lines are the lines at which the check was seen to fail, the most telling first: those that break the least.
func (a *table) lines(f finding.Finding) string {
	caught := a.caught(f)
	slices.SortStableFunc(caught, func(b, c column) int { return len(a.broken(b)) - len(a.broken(c)) })
	words := make([]string, len(caught))
	for i, c := range caught {
		words[i] = code(c.line)
	}
	return strings.Join(words, "<br>")
}

// broken are the checks that broke at the weakening.
func (a *table) broken(c column) []string {
	var ids []string
	for _, f := range a.checks {
		if c.verdicts[f.ID] == finding.Broken {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func (a *table) planes() []string {
	var all []string
	for _, f := range a.checks {
		if !slices.Contains(all, f.Plane) {
			all = append(all, f.Plane)
		}
	}
	return all
}

// cell makes a text fit for a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// code sets off what stands between two backticks, if there are none: a line of configuration.
func code(line string) string {
	if strings.Contains(line, "`") {
		return cell(line)
	}
	return "`" + cell(line) + "`"
}
