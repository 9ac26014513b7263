package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// view is a report arranged for its readers: by plane and check, with the counts that every format shows. Its texts are
// sanitized.
type view struct {
	finding.Report
	Planes []plane
	// CheckCounts counts each check once, FindingCounts each check at each node, CellCounts the cells of the matrix.
	CheckCounts, FindingCounts, CellCounts finding.Summary
	// known is the number of checks that fail and are known to fail on this cluster.
	known int
}

// plane is a plane with its checks, in the order of the catalogue.
type plane struct {
	Name   string
	Checks []check
	Counts finding.Summary
}

// check is all findings of one check.
type check struct {
	// Finding is the first of them, but its Result is the worst of all, and its Known is set if that of any failure is.
	finding.Finding
	At []finding.Finding
}

// newView arranges a report.
func newView(r finding.Report) view {
	v := view{Report: normalized(r, sanitized)}
	var checks []check
	for _, g := range groupBy(v.Findings, func(f finding.Finding) string { return f.ID }) {
		checks = append(checks, newCheck(g.Items))
	}
	v.CheckCounts, v.FindingCounts = countChecks(checks), finding.Summarize(v.Findings)
	for _, g := range groupBy(checks, func(c check) string { return c.Plane }) {
		v.Planes = append(v.Planes, plane{g.Key, g.Items, countChecks(g.Items)})
	}
	slices.SortStableFunc(v.Planes, func(a, b plane) int {
		return cmp.Compare(finding.RankOfPlane(a.Name), finding.RankOfPlane(b.Name))
	})
	for _, c := range v.checksThat(finding.Fail) {
		if c.Known != "" {
			v.known++
		}
	}
	if v.Matrix != nil {
		for _, row := range v.Matrix.Rows {
			for _, c := range row.Cells {
				v.CellCounts = v.CellCounts.With(c.Result)
			}
		}
	}
	return v
}

func newCheck(at []finding.Finding) check {
	c := check{Finding: at[0], At: at}
	for _, f := range at {
		c.Result = finding.Worse(c.Result, f.Result)
		if f.Result == finding.Fail {
			c.Known = cmp.Or(c.Known, f.Known)
		}
	}
	return c
}

func countChecks(checks []check) (s finding.Summary) {
	for _, c := range checks {
		s = s.With(c.Result)
	}
	return s
}

// result returns the worst result of all checks and cells.
func (v view) result() finding.Result {
	checks, cells := v.CheckCounts, v.CellCounts
	return resultOf(finding.Summary{
		Fail: checks.Fail + cells.Fail, Inconclusive: checks.Inconclusive + cells.Inconclusive, Pass: checks.Pass + cells.Pass,
	})
}

// resultOf returns the result of all that was counted. It is inconclusive if nothing passed.
func resultOf(s finding.Summary) finding.Result {
	switch {
	case s.Fail > 0:
		return finding.Fail
	case s.Inconclusive > 0 || s.Pass == 0:
		return finding.Inconclusive
	default:
		return finding.Pass
	}
}

// WorstFirst returns the plane's checks by result, and those of one result by severity, but for those that pass.
func (p plane) WorstFirst() []check {
	checks := slices.Clone(p.Checks)
	slices.SortStableFunc(checks, func(a, b check) int {
		if c := cmp.Compare(a.Result.Rank(), b.Result.Rank()); c != 0 || a.Result == finding.Pass {
			return c
		}
		return cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity))
	})
	return checks
}

// checksThat returns the checks of one result, by plane, the worst first.
func (v view) checksThat(result finding.Result) []check {
	var out []check
	for _, p := range v.Planes {
		out = append(out, p.checksThat(result)...)
	}
	return out
}

// checksThat returns the plane's checks of one result, the worst first.
func (p plane) checksThat(result finding.Result) []check {
	return slices.DeleteFunc(p.WorstFirst(), func(c check) bool { return c.Result != result })
}

// oddCell is a cell of the matrix that fails or is inconclusive, with its row.
type oddCell struct {
	finding.Cell
	row finding.MatrixRow
}

// oddCells returns the cells that fail, then those that are inconclusive.
func (v view) oddCells() []oddCell {
	var out []oddCell
	if v.Matrix == nil {
		return nil
	}
	for _, r := range v.Matrix.Rows {
		for _, c := range r.Cells {
			if c.Result == finding.Fail || c.Result == finding.Inconclusive {
				out = append(out, oddCell{Cell: c, row: r})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b oddCell) int { return cmp.Compare(a.Result.Rank(), b.Result.Rank()) })
	return out
}

// serversOf names the servers at which the cell has its result, and says how many of all servers they are.
func (v view) serversOf(c finding.Cell) string {
	switch {
	case len(c.At) == 0:
		return v.Matrix.Node
	case c.Elsewhere == finding.Skipped:
		return strings.Join(c.At, ", ")
	default:
		return fmt.Sprintf("%s (%d of %d servers)", strings.Join(c.At, ", "), len(c.At), len(v.Matrix.Nodes))
	}
}

// observed is what was found at a node.
type observed struct {
	result          finding.Result
	outcome, reason string
}

// observations groups the check's findings by what was found, the worst first. Reasons that differ only in the name of
// their own node are the same.
func (c check) observations() []group[observed, finding.Finding] {
	groups := groupBy(c.At, func(f finding.Finding) observed { return observed{f.Result, f.Outcome, withoutNodeName(f)} })
	slices.SortStableFunc(groups, func(a, b group[observed, finding.Finding]) int {
		return cmp.Compare(a.Key.result.Rank(), b.Key.result.Rank())
	})
	return groups
}

// withoutNodeName returns a finding's reason with "the agent" in place of its node's name.
func withoutNodeName(f finding.Finding) string {
	if f.Node == "" {
		return f.Reason
	}
	name := regexp.MustCompile(`(^|[^\w.-])` + regexp.QuoteMeta(f.Node) + `($|[^\w-])`)
	return name.ReplaceAllString(f.Reason, "${1}the agent${2}")
}

// nodesOf names the nodes of findings, and says how many of all nodes they are.
func (v view) nodesOf(findings []finding.Finding) string {
	nodes := each(findings, func(f finding.Finding) string { return f.Node })
	switch all := len(v.Cluster.Nodes); {
	case all > 1 && len(nodes) == all:
		return fmt.Sprintf("all %d nodes", all)
	case len(nodes) > 1 && len(nodes) < all:
		return fmt.Sprintf("%s (%d of %d nodes)", strings.Join(nodes, ", "), len(nodes), all)
	default:
		return strings.Join(nodes, ", ")
	}
}

// skips groups the checks that were skipped at every node by reason.
func (v view) skips() []group[string, check] {
	return groupBy(v.checksThat(finding.Skipped), func(c check) string { return c.observations()[0].Key.reason })
}

// detail is a named text.
type detail struct{ Name, Text string }

// heading returns what was done, its outcome, and how long it took.
func heading(e finding.Evidence) string {
	t := e.Did
	if e.Outcome != "" {
		t += ": " + e.Outcome
	}
	if e.Took > 0 {
		t += " (" + seconds(e.Took) + ")"
	}
	return t
}

// details returns what else is known of a piece of evidence.
func details(e finding.Evidence) []detail {
	all := []detail{
		{"sent", e.Sent}, {"received", e.Received}, {"TLS", strings.TrimSpace(e.TLSVersion + " " + e.CipherSuite)},
		{"presented", e.ServerCertificate}, {"error", e.Error},
	}
	for _, l := range e.Lines {
		all = append(all, detail{"log", l})
	}
	return slices.DeleteFunc(all, func(d detail) bool { return d.Text == "" })
}

// group is the items of a list that have one key.
type group[K comparable, T any] struct {
	Key   K
	Items []T
}

// groupBy groups a list by key, in the order in which the keys first appear.
func groupBy[K comparable, T any](all []T, keyOf func(T) K) []group[K, T] {
	var groups []group[K, T]
	index := map[K]int{}
	for _, item := range all {
		key := keyOf(item)
		at, seen := index[key]
		if !seen {
			at = len(groups)
			index[key] = at
			groups = append(groups, group[K, T]{Key: key})
		}
		groups[at].Items = append(groups[at].Items, item)
	}
	return groups
}

// each applies a function to each item of a list.
func each[T, R any](in []T, do func(T) R) []R {
	out := make([]R, len(in))
	for i, v := range in {
		out[i] = do(v)
	}
	return out
}

func idOf(c check) string { return c.ID }
