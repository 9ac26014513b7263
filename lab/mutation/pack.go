package mutation

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// Placed is a mutation and the agent that carries it.
type Placed struct {
	Mutation Mutation
	// Node is the one agent. Zero: all agents that the scope says.
	Node string
	// Scope is the mutation's own, or that of all agents of its role for one that they carry as a sample.
	Scope Scope
}

// String names the mutation and its place, such as "server-tls-10 at server-2".
func (p Placed) String() string {
	if p.Node == "" {
		return fmt.Sprintf("%s of %s", p.Mutation.ID, p.Scope)
	}
	return p.Mutation.ID + " at " + p.Node
}

// Carries reports whether the node carries the mutation.
func (p Placed) Carries(node string) bool {
	switch {
	case p.Node != "":
		return p.Node == node
	case p.Mutation.Role != "":
		return strings.HasPrefix(node, string(p.Mutation.Role)+"-")
	default:
		return true
	}
}

// Pack is one cluster and the mutations that it carries.
type Pack struct {
	// Name describes the pack to a reader.
	Name string
	// Placed are the mutations. The cluster carries them all at the same time, or, if InTurn is set, one after the
	// other, each undone before the next.
	Placed []Placed
	InTurn bool
	// Servers and Clients are the numbers of agents, without the extra node.
	Servers, Clients int
	// Extra is the extra node, which is started when the cluster is ready. Empty: none.
	Extra string
	// Lead is the server that must lead: a sound one, if another carries a mutation. Empty: any.
	Lead string
	// SampleJobAt is the client that runs the sample job. Empty: any.
	SampleJobAt string
	// QuickPolicies makes clients ask for a policy each time.
	QuickPolicies bool

	// sampleJob runs while mutations take turns. Nil: it is started for each check.
	sampleJob *catalogue.SampleJob
}

// Size is the number of agents of clusters.
type Size struct {
	// Servers is the number of servers of a sound cluster.
	Servers int
	// SharedServers and SharedClients are the numbers of servers and clients of a cluster that mutations of servers,
	// or of clients, share. One server of several is sound and leads.
	SharedServers, SharedClients int
}

// DefaultSize returns the size of a lab's clusters.
func DefaultSize() Size { return Size{Servers: 3, SharedServers: 5, SharedClients: 10} }

// Packs returns the clusters in which the mutations are carried out, the largest first. It is pure. It places each
// mutation once: one of scope Agent at one agent, another in a cluster of its own. One that is carried everywhere as
// a sample is placed in a cluster of its own besides. These never share:
//
//   - Extra: an agent that does not find its cluster is an extra node beside a sound quorum, and never leads;
//   - Alone: one that others make meaningless, or whose driver an engine refuses beside another mutation;
//   - two that need the sample job, which runs at one client;
//   - changes of a running cluster, such as a policy: they take turns, as clients cache policies.
//
// What the leader alone decides shows at a server that leads. A shared pack has a sound server lead, so that only the
// others' own lines show.
func Packs(all []Mutation, size Size) []Pack {
	var servers, clients, sampled []Placed
	var own []Pack
	turns := map[Turns][]Placed{}
	for _, m := range all {
		switch {
		case m.Equivalent != "" || m.File != nil:
			continue // no cluster carries these: see package regress
		case m.Turns != "":
			turns[m.Turns] = append(turns[m.Turns], Placed{Mutation: m, Scope: m.Scope})
		case m.Scope != Agent:
			own = append(own, ownCluster(m, m.Scope, size))
		case m.Sharing == Extra:
			own = append(own, cutOff(m, size))
		case m.Sharing == Alone:
			own = append(own, alone(m, size))
		case m.Sharing == NeedsSampleJob:
			sampled = append(sampled, Placed{Mutation: m, Scope: Agent})
		case m.Role == pki.Server:
			servers = append(servers, Placed{Mutation: m, Scope: Agent})
		default:
			clients = append(clients, Placed{Mutation: m, Scope: Agent})
		}
		if m.Everywhere {
			own = append(own, ownCluster(m, roleScope(m.Role), size))
		}
	}
	packs := append(packsOfClients(clients, sampled, size), packsOfServers(servers, size)...)
	return slices.Concat(packs, packsInTurn(turns, size), own)
}

// Unpacked returns a cluster of its own for each mutation.
func Unpacked(all []Mutation, size Size) []Pack {
	var packs []Pack
	for _, m := range all {
		of := Packs([]Mutation{m}, size)
		if m.Scope == Agent && (m.Sharing == Shares || m.Sharing == NeedsSampleJob) && len(of) > 0 {
			of[0] = alone(m, size)
		}
		packs = append(packs, of...)
	}
	return packs
}

// roleScope returns the scope of all agents of a role.
func roleScope(role pki.Role) Scope {
	if role == pki.Client {
		return Clients
	}
	return Servers
}

// nodeName returns the name of an agent in a lab of one region.
func nodeName(role pki.Role, number int) string { return fmt.Sprintf("%s-%d", role, number) }

// packsOfServers returns packs with one sound server, each of whose other servers carries a mutation.
func packsOfServers(placed []Placed, size Size) []Pack {
	var packs []Pack
	for chunk := range slices.Chunk(placed, max(size.SharedServers-1, 1)) {
		p := Pack{
			Name:    fmt.Sprintf("servers %d", len(packs)+1),
			Servers: max(size.Servers, min(len(chunk)+1, size.SharedServers)), Clients: 1, Lead: nodeName(pki.Server, 1),
		}
		for at, one := range chunk {
			one.Node = nodeName(pki.Server, p.Servers-at)
			p.Placed = append(p.Placed, one)
		}
		packs = append(packs, p)
	}
	return packs
}

// packsOfClients returns packs each of whose clients carries a mutation, at most one of which needs the sample job.
func packsOfClients(placed, sampled []Placed, size Size) []Pack {
	var packs []Pack
	for len(placed)+len(sampled) > 0 {
		p := Pack{Name: fmt.Sprintf("clients %d", len(packs)+1), Servers: size.Servers}
		if len(sampled) > 0 {
			p.SampleJobAt = nodeName(pki.Client, 1)
			p.Placed, sampled = append(p.Placed, sampled[0]), sampled[1:]
		}
		n := min(len(placed), max(size.SharedClients, 1)-len(p.Placed))
		p.Placed, placed = append(p.Placed, placed[:n]...), placed[n:]
		for at := range p.Placed {
			p.Placed[at].Node = nodeName(pki.Client, at+1)
		}
		p.Clients = len(p.Placed) + 1 // beside a sound one, at which all checks pass
		packs = append(packs, p)
	}
	return packs
}

// cutOff returns a pack whose extra node carries the mutation, beside sound agents of its role.
func cutOff(m Mutation, size Size) Pack {
	p := Pack{Name: m.ID, Servers: size.Servers}
	if m.Role == pki.Client {
		p.Clients = 1
		p.Extra = nodeName(m.Role, p.Clients+1)
	} else {
		p.Extra = nodeName(m.Role, p.Servers+1)
	}
	p.Placed = []Placed{{Mutation: m, Node: p.Extra, Scope: Agent}}
	return p
}

// alone returns a pack whose last agent of the role carries the mutation, beside sound agents.
func alone(m Mutation, size Size) Pack {
	p := Pack{Name: m.ID, Servers: size.Servers, Clients: 2}
	at := Placed{Mutation: m, Node: nodeName(m.Role, p.Clients), Scope: Agent}
	if m.Role == pki.Server {
		p.Clients, p.Lead = 1, nodeName(pki.Server, 1)
		at.Node = nodeName(m.Role, p.Servers)
	} else {
		p.SampleJobAt = at.Node
	}
	p.Placed = []Placed{at}
	return p
}

// ownCluster returns a pack in which all agents that the scope says carry the mutation.
func ownCluster(m Mutation, scope Scope, size Size) Pack {
	p := Pack{Name: m.ID + " of " + string(scope), Servers: size.Servers, Clients: 1, Placed: []Placed{{Mutation: m, Scope: scope}}}
	if m.NoLeader || m.NoClients {
		p.Clients = 0
	}
	return p
}

// policyClusters is how many clusters share the policies, side by side.
const policyClusters = 2

// packsInTurn returns the packs whose mutations take turns.
func packsInTurn(turns map[Turns][]Placed, size Size) []Pack {
	var all []Pack
	policies := turns[Policies]
	for chunk := range slices.Chunk(policies, max((len(policies)+policyClusters-1)/policyClusters, 1)) {
		all = append(all, Pack{
			Name: fmt.Sprintf("%s %d", Policies, len(all)+1), Placed: chunk, InTurn: true, Servers: 1, Clients: 1, QuickPolicies: true,
		})
	}
	if keys := turns[Keyring]; len(keys) > 0 {
		all = append(all, Pack{Name: string(Keyring), Placed: keys, InTurn: true, Servers: size.Servers})
	}
	return all
}
