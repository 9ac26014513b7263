package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// view is a report in the order in which people read it: planes, their checks, and what each found at each node.
type view struct {
	report finding.Report
	planes []plane
	// checks counts promises, findings what was found of them at each node, cells the cells of the matrix.
	checks, findings, cells finding.Summary
	// known is how many of the broken checks are known to be broken here.
	known int
}

// plane is one front door, with its checks in the order of the catalogue.
type plane struct {
	name   string
	checks []check
	counts finding.Summary
}

// check is a promise with what was found of it: findings of the same ID.
type check struct {
	// Finding is the first of them, for what all have in common; only Result, which is the worst, and Known are of all.
	finding.Finding
	at []finding.Finding
}

// newView groups a report's findings. Whatever an agent has put into a text is made harmless to look at.
func newView(r finding.Report) view {
	v := view{report: cleanReport(r)}
	var all []check
	index := map[string]int{}
	for _, f := range v.report.Findings {
		at, seen := index[f.ID]
		if !seen {
			at = len(all)
			index[f.ID] = at
			all = append(all, check{Finding: f})
		}
		all[at].add(f)
	}
	for _, c := range all {
		v.plane(c.Plane).checks = append(v.plane(c.Plane).checks, c)
		if c.Result == finding.Fail && c.Known != "" {
			v.known++
		}
	}
	for i := range v.planes {
		v.planes[i].counts = summarize(v.planes[i].checks)
	}
	slices.SortStableFunc(v.planes, func(a, b plane) int { return cmp.Compare(finding.RankOfPlane(a.name), finding.RankOfPlane(b.name)) })
	v.checks, v.findings = summarize(all), finding.Summarize(v.report.Findings)
	v.cells = finding.Summarize(cellFindings(v.report.Matrix))
	return v
}

// add counts a finding in; the worst result is the check's.
func (c *check) add(f finding.Finding) {
	c.at = append(c.at, f)
	if f.Result.Rank() < c.Result.Rank() {
		c.Result = f.Result
	}
	if c.Known == "" && f.Result == finding.Fail {
		c.Known = f.Known
	}
}

// plane finds the plane of that name, or adds it.
func (v *view) plane(name string) *plane {
	at := slices.IndexFunc(v.planes, func(p plane) bool { return p.name == name })
	if at < 0 {
		at = len(v.planes)
		v.planes = append(v.planes, plane{name: name})
	}
	return &v.planes[at]
}

// result is that of all together. A report in which nothing held proves nothing.
func (v view) verdict() finding.Result {
	switch {
	case v.checks.Fail+v.cells.Fail > 0:
		return finding.Fail
	case v.checks.Inconclusive+v.cells.Inconclusive > 0 || v.checks.Pass+v.cells.Pass == 0:
		return finding.Inconclusive
	default:
		return finding.Pass
	}
}

// worstFirst are the plane's checks, those that need attention first: by result, broken ones by severity.
func (p plane) worstFirst() []check {
	checks := slices.Clone(p.checks)
	slices.SortStableFunc(checks, func(a, b check) int {
		if c := cmp.Compare(a.Result.Rank(), b.Result.Rank()); c != 0 || a.Result == finding.Pass {
			return c
		}
		return cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity))
	})
	return checks
}

// of are the plane's checks of that result, in the order of worstFirst.
func (p plane) of(v finding.Result) []check {
	return slices.DeleteFunc(p.worstFirst(), func(c check) bool { return c.Result != v })
}

// of are the report's checks of that result, in the order of the planes.
func (v view) of(verdict finding.Result) []check {
	var out []check
	for _, p := range v.planes {
		out = append(out, p.of(verdict)...)
	}
	return out
}

// oddCells are the cells that neither held nor were skipped, broken ones first, each with its row.
func (v view) oddCells() []oddCell {
	var out []oddCell
	if v.report.Matrix == nil {
		return nil
	}
	for _, r := range v.report.Matrix.Rows {
		for _, c := range r.Cells {
			if c.Result == finding.Fail || c.Result == finding.Inconclusive {
				out = append(out, oddCell{Cell: c, row: r})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b oddCell) int { return cmp.Compare(a.Result.Rank(), b.Result.Rank()) })
	return out
}

// oddCell is a cell that needs attention.
type oddCell struct {
	finding.Cell
	row finding.MatrixRow
}

// serversOf names the servers at which the cell's result is so: of several, how many there are.
func serversOf(m *finding.Matrix, c finding.Cell) string {
	switch {
	case len(c.At) == 0:
		return m.Node
	case c.Elsewhere == finding.Skipped:
		return strings.Join(c.At, ", ")
	default:
		return fmt.Sprintf("%s (%d of %d servers)", strings.Join(c.At, ", "), len(c.At), len(m.Nodes))
	}
}

// ofServers is serversOf as the end of a sentence; empty where it was so at all servers.
func ofServers(m *finding.Matrix, c finding.Cell) string {
	if len(c.At) == 0 {
		return ""
	}
	return " of " + serversOf(m, c)
}

// placeOfMatrix says shortly where the matrix was probed.
func placeOfMatrix(m *finding.Matrix) string {
	if len(m.Nodes) > 1 {
		return fmt.Sprintf("%d servers", len(m.Nodes))
	}
	return m.Node
}

func summarize(checks []check) finding.Summary {
	all := make([]finding.Finding, len(checks))
	for i, c := range checks {
		all[i] = c.Finding
	}
	return finding.Summarize(all)
}

func cellFindings(m *finding.Matrix) []finding.Finding {
	var all []finding.Finding
	if m == nil {
		return nil
	}
	for _, r := range m.Rows {
		for _, c := range r.Cells {
			all = append(all, finding.Finding{Result: c.Result})
		}
	}
	return all
}
