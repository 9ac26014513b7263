package finding

import "slices"

// Verdicts returns all verdicts, the worst first.
func Verdicts() []Verdict { return []Verdict{Broken, NotCarriedOut, Held, Skipped} }

// Rank returns the place of the verdict among Verdicts: the less, the worse. It is -1 for what is no verdict.
func (v Verdict) Rank() int { return slices.Index(Verdicts(), v) }

// Worse returns the worse of two verdicts; what is no verdict is the best.
func Worse(a, b Verdict) Verdict {
	if a.Rank() >= 0 && (b.Rank() < 0 || a.Rank() < b.Rank()) {
		return a
	}
	return b
}

// RankOfPlane orders planes as a connection passes them, after whether there is a cluster at all. One that is not known, such as that
// of files, comes last.
func RankOfPlane(plane string) int {
	return rankAmong([]string{"cluster", "HTTP", "RPC", "Raft", "gossip", "wire"}, plane)
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
