package rollout

import (
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// Order returns the nodes in the order in which a rollout changes them: the servers, the leader last of them, then the clients.
// A leader that goes first costs an election for each server that follows it into office.
func Order(nodes []*lab.Node, leaders ...string) []*lab.Node {
	place := func(n *lab.Node) int {
		switch {
		case n.Role() == pki.Client:
			return 2
		case slices.Contains(leaders, n.Name()):
			return 1
		default:
			return 0
		}
	}
	out := slices.Clone(nodes)
	slices.SortStableFunc(out, func(a, b *lab.Node) int { return place(a) - place(b) })
	return out
}

// Members returns the lab's servers and clients, without extra nodes.
func Members(l *lab.Lab) []*lab.Node { return append(l.Servers(), l.Clients()...) }
