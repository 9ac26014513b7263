package lock_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// madeUp is a posture of hostile texts.
func madeUp(random *rand.Rand) lock.Posture {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	some := func() string {
		var b strings.Builder
		for range random.IntN(4) {
			b.WriteString(pick([]string{
				"true", "null", "~", "1", "0x1F", "1.10", "-", ": ", " #", "#", "{", "}", "[", "]", ",", "&a", "*a", "!!int", "|", ">", "%", "@", "`",
				"\"", "'", "\\", "\n", "\r\n", "\t", " ", "\x00", "\x1b[31m", "\u0085", "\u2028", "\ufeff", "\u202e", "é", "日本", "😀", "\U000E0001", "\ufffd",
				"---", "...", "? ", "<<", "a", "Zz", "=", "checksum: sha256:00", "${x}", "%{", "9e9", "2026-11-28", ".inf", "yes", "'s",
			}))
		}
		return b.String()
	}
	var p lock.Posture
	p.Nomad = pick([]string{"", "1.11.3", "1.9.0-beta.1+ent", "1.1", some()})
	taken := map[string]bool{}
	for range random.IntN(6) {
		s := finding.Setting{Role: pick([]string{"server", "client", some()}), Path: some(), Value: some(), File: "f", Line: 3}
		if !taken[s.Role+"|"+s.Path] {
			p.Settings = append(p.Settings, s)
		}
		taken[s.Role+"|"+s.Path] = true
	}
	for range random.IntN(6) {
		e := lock.CheckResult{
			ID: some(), Plane: pick([]string{"HTTP", "RPC", "network", "matrix", some()}), Outcome: some(), At: some(), Reason: some(), Title: "t",
			Result: []finding.Result{finding.Pass, finding.Fail, finding.Inconclusive, finding.Skipped}[random.IntN(4)],
		}
		if !taken[e.ID] {
			p.Results = append(p.Results, e)
		}
		taken[e.ID] = true
	}
	slices.SortFunc(p.Settings, func(a, b finding.Setting) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Path, b.Path))
	})
	slices.SortFunc(p.Results, func(a, b lock.CheckResult) int {
		return cmp.Or(strings.Compare(planeOrder(a), planeOrder(b)), strings.Compare(a.ID, b.ID))
	})
	return p
}

func planeOrder(e lock.CheckResult) string {
	known := map[string]string{"HTTP": "0", "RPC": "1", "network": "4"}
	if o, is := known[e.Plane]; is {
		return o
	}
	return "5" + e.Plane
}
