package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
)

// headline is the result in a line that a tired operator understands:
// "lab x: 3 promises are broken, 96 held, 4 skipped, in 3.9 s".
func (v view) headline() string {
	var parts []string
	add := func(checks, cells int, more, one, many string) {
		var subjects []string
		if checks > 0 {
			subjects = append(subjects, nouns(checks, checkNoun)+more)
		}
		if cells > 0 {
			subjects = append(subjects, nouns(cells, cellNoun))
		}
		if len(subjects) > 0 {
			parts = append(parts, strings.Join(subjects, " and ")+" "+plural(checks+cells, one, many))
		}
	}
	untried := v.untriedWords()
	add(v.checks.Fail, v.cells.Fail, v.knownOnes(), "is broken", "are broken")
	if n := v.checks.Inconclusive + v.cells.Inconclusive; len(parts) > 0 && n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", n, untried))
	} else {
		add(v.checks.Inconclusive, v.cells.Inconclusive, "", untried, untried)
	}
	parts = v.withHeld(parts)
	if v.checks.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", v.checks.Skipped))
	}
	parts = append(parts, "in "+seconds(v.report.Took))
	return v.subject() + ": " + strings.Join(parts, ", ")
}

// What is counted in a headline.
const checkNoun, cellNoun = "check", "cell of the matrix"

// withHeld are the parts of a headline, with what held.
func (v view) withHeld(parts []string) []string {
	switch held := v.checks.Pass; {
	case held+v.cells.Pass+v.checks.Fail+v.cells.Fail == 0 && v.findings.Pass == 0:
		return slices.Insert(parts, 0, "nothing was proved")
	case len(parts) > 0 && held == 0 && v.findings.Pass > 0:
		return parts
	case len(parts) > 0:
		return append(parts, fmt.Sprintf("%d held", held))
	case held == 0:
		return append(parts, fmt.Sprintf("all %s held", nouns(v.cells.Pass, cellNoun)))
	default:
		return append(parts, fmt.Sprintf("all %s held", nouns(held, checkNoun)))
	}
}

// untriedWords say of what was not carried out whether it was at none of the agents.
func (v view) untriedWords() string {
	if v.partlyUntried() {
		return "could not be tried at every agent"
	}
	return "could not be tried"
}

// partlyUntried says whether each check that could not be tried at some agent held at another.
func (v view) partlyUntried() bool {
	for _, c := range v.of(finding.Inconclusive) {
		if !slices.ContainsFunc(c.at, func(f finding.Finding) bool { return f.Result == finding.Pass }) {
			return false
		}
	}
	return v.checks.Inconclusive > 0 && v.cells.Inconclusive == 0
}

// matrixLine is the result on the matrix in a line; empty where none was probed.
func (v view) matrixLine() string {
	c := v.cells
	switch {
	case c.Total() == 0:
		return ""
	case c.Pass == c.Total():
		return fmt.Sprintf("the matrix: all %s held", count(c.Total(), "cell"))
	default:
		return "the matrix: " + count(c.Total(), "cell") + ", " + counts(c)
	}
}

// counts lists what there is, the worst first.
func counts(s finding.Summary) string {
	var parts []string
	for _, p := range []struct {
		n    int
		name finding.Result
	}{
		{s.Fail, finding.Fail}, {s.Inconclusive, finding.Inconclusive}, {s.Pass, finding.Pass}, {s.Skipped, finding.Skipped},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.name))
		}
	}
	return strings.Join(parts, ", ")
}

// subject says what was checked. A cluster that nomadlab did not bring up is no lab.
func (v view) subject() string {
	c := v.report.Cluster
	switch {
	case c.Name == "" && v.report.Configuration != nil:
		return "your configuration"
	case c.Name == "":
		return "the cluster"
	case c.Engine == "":
		return "cluster " + c.Name
	default:
		return "lab " + c.Name
	}
}

// about says in a line what the cluster is made of, and when it was asked.
func (v view) about() string {
	c := v.report.Cluster
	var parts []string
	if c.Nomad != "" {
		parts = append(parts, "Nomad "+c.Nomad)
	}
	for _, role := range roles(c.Nodes) {
		parts = append(parts, count(withRole(c.Nodes, role), role))
	}
	if c.Engine != "" {
		parts = append(parts, "engine "+c.Engine)
	}
	if !v.report.Started.IsZero() {
		parts = append(parts, stamp(v.report.Started))
	}
	return strings.Join(parts, ", ")
}

// roles are the nodes' roles, each once, in the order of the nodes.
func roles(nodes []finding.Node) []string {
	var out []string
	for _, n := range nodes {
		if !slices.Contains(out, n.Role) {
			out = append(out, n.Role)
		}
	}
	return out
}

func withRole(nodes []finding.Node, role string) int {
	n := 0
	for _, node := range nodes {
		if node.Role == role {
			n++
		}
	}
	return n
}

func (v view) knownOnes() string {
	switch {
	case v.known == 0:
		return ""
	case v.known == v.checks.Fail:
		return " (known)"
	default:
		return fmt.Sprintf(" (%d of them known)", v.known)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// nouns is a number with a noun whose first word has the plural: "2 cells of the matrix".
func nouns(n int, noun string) string {
	first, rest, more := strings.Cut(noun, " ")
	if more {
		rest = " " + rest
	}
	return count(n, first) + rest
}

// count is a number with its noun: "1 server", "3 servers".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// seconds is a length of time as people say it: "3 ms", "3.9 s", "2 min 5 s".
func seconds(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// oneOf is what was wanted, as words: "a or b".
func oneOf(want []string) string { return strings.Join(want, " or ") }

// besideSeen is what was wanted, for those who have just read what was seen.
func besideSeen(outcome string, want ...string) string {
	if slices.Contains(want, outcome) {
		return ", as wanted"
	}
	return "; wanted was: " + oneOf(want)
}

// sighting is what some nodes had in common.
type sighting struct {
	verdict         finding.Result
	outcome, reason string
	nodes           []string
}

// sightings puts together the nodes at which the same was found; those that need attention come first. A node's own name
// in a reason makes no difference.
func (c check) sightings() []sighting {
	var out []sighting
	for _, f := range c.at {
		reason := anonymous(f)
		at := slices.IndexFunc(out, func(s sighting) bool {
			return s.verdict == f.Result && s.outcome == f.Outcome && s.reason == reason
		})
		if at < 0 {
			at = len(out)
			out = append(out, sighting{verdict: f.Result, outcome: f.Outcome, reason: reason})
		}
		out[at].nodes = append(out[at].nodes, f.Node)
	}
	slices.SortStableFunc(out, func(a, b sighting) int { return a.verdict.Rank() - b.verdict.Rank() })
	return out
}

// anonymous is a finding's reason without its node's name.
func anonymous(f finding.Finding) string {
	if f.Node == "" {
		return f.Reason
	}
	name := regexp.MustCompile(`(^|[^\w.-])` + regexp.QuoteMeta(f.Node) + `($|[^\w-])`)
	return name.ReplaceAllString(f.Reason, "${1}the agent${2}")
}

// nodesOf lists nodes, or says that they are all.
func (v view) nodesOf(nodes []string) string {
	switch all := len(v.report.Cluster.Nodes); {
	case all > 1 && len(nodes) == all:
		return fmt.Sprintf("all %d nodes", all)
	case len(nodes) > 1 && len(nodes) < all:
		return fmt.Sprintf("%s (%d of %d nodes)", strings.Join(nodes, ", "), len(nodes), all)
	default:
		return strings.Join(nodes, ", ")
	}
}

// tally says at how many nodes a check held, for a list of checks that all have one result.
func (v view) tally(c check) string {
	var parts []string
	for _, s := range c.sightings() {
		if s.verdict != finding.Skipped {
			parts = append(parts, v.nodesOf(s.nodes))
		}
	}
	return strings.Join(parts, "; ")
}

// skip is a reason for which checks were skipped.
type skip struct {
	reason string
	checks []string
}

// skips sums up the checks that were skipped everywhere, by reason. Those that do not apply to some nodes only have a
// result from the others.
func (v view) skips() []skip {
	var out []skip
	for _, c := range v.of(finding.Skipped) {
		reasons := c.sightings()
		reason := reasons[0].reason
		at := slices.IndexFunc(out, func(s skip) bool { return s.reason == reason })
		if at < 0 {
			at = len(out)
			out = append(out, skip{reason: reason})
		}
		out[at].checks = append(out[at].checks, c.ID)
	}
	return out
}
