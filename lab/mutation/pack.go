package mutation

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// Placed is a mutation at the agent that carries it.
type Placed struct {
	Mutation Mutation
	// Node is the one agent. Zero: all agents that the scope says.
	Node string
	// Scope is the mutation's own, or for one that all agents of a role carry as a sample, theirs.
	Scope Scope
}

// String names the mutation and its place, such as "server-tls-10 at server-2".
func (p Placed) String() string {
	if p.Node == "" {
		return fmt.Sprintf("%s of %s", p.Mutation.ID, p.Scope)
	}
	return p.Mutation.ID + " at " + p.Node
}

// Pack is one cluster and the mutations that it carries.
type Pack struct {
	// Name tells what the pack is, for a reader.
	Name string
	// Placed are the mutations, all at the same time; or, where InTurn is set, one after the other, each taken back before the
	// next.
	Placed []Placed
	InTurn bool
	// Servers and Clients are how many agents the cluster begins with.
	Servers, Clients int
	// Extra is the extra node, which is started when the cluster is ready. Empty: there is none.
	Extra string
	// ExtraRole is its role.
	ExtraRole pki.Role
	// Lead is the server that must lead: a sound one, where another carries a mutation. Empty: whichever does.
	Lead string
	// SampleJobAt is the client that runs the checks' sample job. Empty: any.
	SampleJobAt string
	// QuickPolicies has clients ask for a policy each time.
	QuickPolicies bool

	// sampleJob runs all the time that mutations take their turns. Nil: it is started for each look.
	sampleJob *catalogue.SampleJob
}

// Size says how many agents clusters have.
type Size struct {
	// Servers is how many servers a sound cluster has.
	Servers int
	// SharedServers and SharedClients are how many servers, or clients, a cluster has that they share. One server of several is
	// sound and leads.
	SharedServers, SharedClients int
}

// DefaultSize returns the size of a lab's clusters.
func DefaultSize() Size { return Size{Servers: 3, SharedServers: 5, SharedClients: 10} }

// Packs returns the clusters in which the mutations are carried out, the largest first. It is pure, and puts every mutation
// somewhere: each of scope Agent at one agent, each other one, and each that is carried everywhere as a sample besides, in a
// cluster of its own. These never share:
//
//   - an agent that does not find its cluster (Extra): it is an extra node beside a quorum that is sound without it, which never
//     leads;
//   - one that others make void, or whose driver no engine may offer beside another weakness (Alone);
//   - two that need the sample job, which runs at one client;
//   - what is done to a running cluster, such as a policy: one after the other, as clients keep policies.
//
// What the leader alone decides shows at a server that leads; a pack has a sound server lead, so that the others' own lines
// show, and nothing else of them.
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
			own = append(own, ownCluster(m, everywhere(m.Role), size))
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

// everywhere is the scope of all agents of a role.
func everywhere(role pki.Role) Scope {
	if role == pki.Client {
		return Clients
	}
	return Servers
}

// nodeName is what a lab of one region calls its agents.
func nodeName(role pki.Role, number int) string { return fmt.Sprintf("%s-%d", role, number) }

// packsOfServers has one server sound, and each other one carry a mutation.
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

// packsOfClients has each client carry a mutation, and at most one of them need the sample job.
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

// cutOff has an extra node carry the mutation, beside sound agents of its role.
func cutOff(m Mutation, size Size) Pack {
	p := Pack{Name: m.ID, Servers: size.Servers, ExtraRole: m.Role}
	if m.Role == pki.Client {
		p.Clients = 1
		p.Extra = nodeName(m.Role, p.Clients+1)
	} else {
		p.Extra = nodeName(m.Role, p.Servers+1)
	}
	p.Placed = []Placed{{Mutation: m, Node: p.Extra, Scope: Agent}}
	return p
}

// alone has the last agent of its role carry the mutation, in a cluster whose others are sound.
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

// ownCluster has all agents that the scope says carry the mutation.
func ownCluster(m Mutation, scope Scope, size Size) Pack {
	p := Pack{Name: m.ID + " of " + string(scope), Servers: size.Servers, Clients: 1, Placed: []Placed{{Mutation: m, Scope: scope}}}
	if m.NoLeader || m.NoClients {
		p.Clients = 0
	}
	return p
}

// lanes is how many clusters share the policies, side by side.
const lanes = 2

// packsInTurn has each cluster carry its mutations one after the other.
func packsInTurn(turns map[Turns][]Placed, size Size) []Pack {
	var all []Pack
	policies := turns[Policies]
	for chunk := range slices.Chunk(policies, max((len(policies)+lanes-1)/lanes, 1)) {
		all = append(all, Pack{
			Name: fmt.Sprintf("%s %d", Policies, len(all)+1), Placed: chunk, InTurn: true, Servers: 1, Clients: 1, QuickPolicies: true,
		})
	}
	if keys := turns[Keyring]; len(keys) > 0 {
		all = append(all, Pack{Name: string(Keyring), Placed: keys, InTurn: true, Servers: size.Servers})
	}
	return all
}
