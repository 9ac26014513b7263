package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
)

// headline returns the result in one line: "lab x: 3 checks fail, 96 pass, 4 skipped, in 3.9 s".
func (v view) headline() string {
	checks, cells := v.CheckCounts, v.CellCounts
	var parts []string
	if checks.Fail+cells.Fail > 0 {
		parts = append(parts, counted(checks.Fail, v.knownWords(), cells.Fail)+plural(checks.Fail+cells.Fail, " fails", " fail"))
	}
	if n := checks.Inconclusive + cells.Inconclusive; n > 0 {
		subject := fmt.Sprint(n)
		if len(parts) == 0 {
			subject = counted(checks.Inconclusive, "", cells.Inconclusive) + plural(n, " is", " are")
		}
		parts = append(parts, subject+" inconclusive"+v.atSomeAgents())
	}
	parts = v.withPasses(parts)
	if checks.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", checks.Skipped))
	}
	return v.subject() + ": " + strings.Join(append(parts, "in "+seconds(v.Took)), ", ")
}

// counted returns numbers of checks, with a remark, and of cells.
func counted(checks int, remark string, cells int) string {
	var parts []string
	if checks > 0 {
		parts = append(parts, count(checks, "check")+remark)
	}
	if cells > 0 {
		parts = append(parts, count(cells, "cell")+" of the matrix")
	}
	return strings.Join(parts, " and ")
}

// withPasses adds what passes to the parts of a headline.
func (v view) withPasses(parts []string) []string {
	switch checks, cells := v.CheckCounts, v.CellCounts; {
	case checks.Pass+cells.Pass+checks.Fail+cells.Fail == 0 && v.FindingCounts.Pass == 0:
		return slices.Insert(parts, 0, "nothing was proved")
	case len(parts) > 0 && checks.Pass == 0 && v.FindingCounts.Pass > 0:
		return parts
	case len(parts) > 0:
		return append(parts, fmt.Sprintf("%d pass", checks.Pass))
	case checks.Pass == 0:
		return append(parts, allPass(cells.Pass, counted(0, "", cells.Pass)))
	default:
		return append(parts, allPass(checks.Pass, counted(checks.Pass, "", 0)))
	}
}

// allPass says of a number of checks or cells, in words, that all of them pass.
func allPass(n int, words string) string { return plural(n, words+" passes", "all "+words+" pass") }

// atSomeAgents says that each inconclusive check passes at some agent.
func (v view) atSomeAgents() string {
	for _, c := range v.checksThat(finding.Inconclusive) {
		if !slices.ContainsFunc(c.At, func(f finding.Finding) bool { return f.Result == finding.Pass }) {
			return ""
		}
	}
	if v.CheckCounts.Inconclusive == 0 || v.CellCounts.Inconclusive > 0 {
		return ""
	}
	return " at some agents"
}

func (v view) knownWords() string {
	switch v.known {
	case 0:
		return ""
	case v.CheckCounts.Fail:
		return " (known)"
	default:
		return fmt.Sprintf(" (%d of them known)", v.known)
	}
}

// matrixLine returns the result of the matrix in one line, or an empty text if it was not probed.
func (v view) matrixLine() string {
	switch total := v.CellCounts.Total(); total {
	case 0:
		return ""
	case v.CellCounts.Pass:
		return "the matrix: " + allPass(total, count(total, "cell"))
	default:
		return "the matrix: " + count(total, "cell") + ", " + counts(v.CellCounts)
	}
}

// subject names what was checked. A cluster that nomadlab did not bring up is not called a lab.
func (v view) subject() string {
	c := v.Cluster
	switch {
	case c.Name == "" && v.Configuration != nil:
		return "your configuration"
	case c.Name == "":
		return "the cluster"
	case c.Engine == "":
		return "cluster " + c.Name
	default:
		return "lab " + c.Name
	}
}

// about returns in one line what the cluster consists of, and when it was checked.
func (v view) about() string {
	c := v.Cluster
	var parts []string
	if c.Nomad != "" {
		parts = append(parts, "Nomad "+c.Nomad)
	}
	for _, g := range groupBy(c.Nodes, func(n finding.Node) string { return n.Role }) {
		parts = append(parts, count(len(g.Items), g.Key))
	}
	if c.Engine != "" {
		parts = append(parts, "engine "+c.Engine)
	}
	if !v.Started.IsZero() {
		parts = append(parts, stamp(v.Started))
	}
	return strings.Join(parts, ", ")
}

// counts lists the numbers that are not 0, the worst result first.
func counts(s finding.Summary) string {
	return listed(finding.Results(), map[finding.Result]int{
		finding.Fail: s.Fail, finding.Inconclusive: s.Inconclusive, finding.Pass: s.Pass, finding.Skipped: s.Skipped,
	})
}

// listed lists the numbers that are not 0 with their names, in the order given.
func listed[N ~string](order []N, numbers map[N]int) string {
	var parts []string
	for _, name := range order {
		if n := numbers[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(parts, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// count returns a number with its noun: "1 server", "3 servers".
func count(n int, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun, noun+"s")) }

// seconds returns a duration as people say it: "3 ms", "3.9 s", "2 min 5 s".
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

// capitalized returns a sentence with a capital letter.
func capitalized(sentence string) string { return strings.ToUpper(sentence[:1]) + sentence[1:] }

// oneOf joins outcomes: "a or b".
func oneOf(want []string) string { return strings.Join(want, " or ") }

// besideOutcome returns what was wanted, to be put after the outcome.
func besideOutcome(outcome string, want ...string) string {
	if slices.Contains(want, outcome) {
		return ", as wanted"
	}
	return "; wanted was: " + oneOf(want)
}
