package finding

import (
	"fmt"
	"slices"
)

// Results returns all results, the worst first.
func Results() []Result { return []Result{Fail, Inconclusive, Pass, Skipped} }

// Rank returns the index of the result in Results, or -1 if it is none of them.
func (r Result) Rank() int { return slices.Index(Results(), r) }

// Worse returns the worse of two results. What is none of Results is better than all of them.
func Worse(a, b Result) Result {
	if a.Rank() >= 0 && (b.Rank() < 0 || a.Rank() < b.Rank()) {
		return a
	}
	return b
}

// RankOfPlane orders planes: whether there is a cluster, then as a connection passes them. Others, such as files, come last.
func RankOfPlane(plane string) int {
	return rank([]string{"cluster", "HTTP", "RPC", "Raft", "gossip", "network"}, plane)
}

// RankOfSeverity orders severities, the worst first. Unknown ones come last.
func RankOfSeverity(severity string) int {
	return rank([]string{"critical", "high", "medium", "low"}, severity)
}

// Rank orders directions, the worst first. What is none of them comes last.
func (d Direction) Rank() int { return rank([]Direction{Weaker, Unclear, Stronger}, d) }

func rank[T comparable](order []T, x T) int {
	if at := slices.Index(order, x); at >= 0 {
		return at
	}
	return len(order)
}

// Summary counts findings by result.
type Summary struct {
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	Inconclusive int `json:"inconclusive"`
	Skipped      int `json:"skipped"`
}

// Summarize counts the findings.
func Summarize(findings []Finding) Summary {
	var s Summary
	for _, f := range findings {
		s = s.With(f.Result)
	}
	return s
}

// With returns the summary with one result more. What is none of Results counts as Inconclusive: a finding that was never
// judged must not look like a pass.
func (s Summary) With(r Result) Summary {
	switch r {
	case Pass:
		s.Pass++
	case Fail:
		s.Fail++
	case Skipped:
		s.Skipped++
	default:
		s.Inconclusive++
	}
	return s
}

// Total returns the number of findings that were counted.
func (s Summary) Total() int { return s.Pass + s.Fail + s.Inconclusive + s.Skipped }

// String returns the counts as one line.
func (s Summary) String() string {
	return fmt.Sprintf("%d pass, %d fail, %d inconclusive, %d skipped", s.Pass, s.Fail, s.Inconclusive, s.Skipped)
}
