package report

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/finding"
)

// isDoor says whether agents have a door to the plane: what a listener sees on the wire is none, nor that a cluster formed.
func isDoor(plane string) bool { return plane != "network" && plane != "cluster" }

// locks are those of the planes that agents have doors to.
func (v view) locks() []lock {
	var out []lock
	for _, p := range v.planes {
		if isDoor(p.name) {
			out = append(out, newLock(p.name, p.counts))
		}
	}
	return out
}

// locksAt are those of one agent: of the planes at which anything was tried there, four at most.
func (v view) locksAt(node string) []lock {
	var out []lock
	for _, p := range v.planes {
		var here []finding.Finding
		for _, c := range p.checks {
			for _, f := range c.at {
				if f.Node == node && f.Result != finding.Skipped {
					here = append(here, f)
				}
			}
		}
		if len(here) > 0 && isDoor(p.name) {
			out = append(out, newLock(p.name, finding.Summarize(here)))
		}
	}
	return out[:min(len(out), 4)]
}

func newLock(plane string, s finding.Summary) lock {
	l := lock{Plane: cut(plane, 8), Words: fmt.Sprintf("%s: %s", plane, counts(s))}
	switch {
	case s.Fail > 0:
		l.Class = "broken"
	case s.Pass == 0 || s.Inconclusive > 0:
		l.Class = "untried"
	default:
		l.Class = "held"
	}
	return l
}

// regions are the nodes' regions, each once, in the order of the nodes.
func regions(nodes []finding.Node) []string {
	var out []string
	for _, n := range nodes {
		if !slices.Contains(out, n.Region) {
			out = append(out, n.Region)
		}
	}
	return out
}

// widest is how many boxes the longest row of the drawing would have.
func (v view) widest() int {
	n := map[string]int{}
	most := 1
	for _, node := range v.report.Cluster.Nodes {
		key := node.Region + " other"
		if node.Role == "server" {
			key = node.Region + " server"
		}
		n[key]++
		most = max(most, n[key])
	}
	return most
}

// cut is a text of at most n letters: what the drawing has room for. Its whole is in the list of nodes beside it.
func cut(t string, n int) string {
	if r := []rune(t); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return t
}
