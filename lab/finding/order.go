package finding

import "slices"

// Results returns all results, the worst first.
func Results() []Result { return []Result{Fail, Inconclusive, Pass, Skipped} }

// Rank returns the place of the result among Results: the less, the worse. It is -1 for what is no result.
func (v Result) Rank() int { return slices.Index(Results(), v) }

// Worse returns the worse of two results; what is no result is the best.
func Worse(a, b Result) Result {
	if a.Rank() >= 0 && (b.Rank() < 0 || a.Rank() < b.Rank()) {
		return a
	}
	return b
}

// RankOfPlane orders planes as a connection passes them, after whether there is a cluster at all. One that is not known, such as that
// of files, comes last.
func RankOfPlane(plane string) int {
	return rankAmong([]string{"cluster", "HTTP", "RPC", "Raft", "gossip", "network"}, plane)
}

// RankOfSeverity orders severities, the worst first; one that is not known comes last.
func RankOfSeverity(severity string) int {
	return rankAmong([]string{"critical", "high", "medium", "low"}, severity)
}

func rankAmong(order []string, name string) int {
	if at := slices.Index(order, name); at >= 0 {
		return at
	}
	return len(order)
}
