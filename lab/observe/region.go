package observe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/timeline"
)

// regionView is what the servers of a region say, as it was last recorded.
type regionView struct {
	lab      *lab.Lab
	recorder *timeline.Recorder
	region   string
	// several is true in a lab with several regions, whose events name theirs.
	several bool

	mu sync.Mutex
	// views is the leader that each server that answers names: a name, or "".
	views map[string]string
	// known are the servers that have answered so far.
	known map[string]bool
	// agreed is the leader of the last event; begun is false before the first one.
	agreed string
	begun  bool

	// asked is the server that answered last.
	asked string
	// servers, voters and clients are what was last recorded of each, allocations by their ID.
	servers, voters, clients, allocations map[string]string
	// indexes are the highest Raft indexes of the lists so far.
	indexes map[timeline.Kind]uint64
}

func newRegionView(l *lab.Lab, r *timeline.Recorder, region string, several bool) *regionView {
	return &regionView{
		lab: l, recorder: r, region: region, several: several, views: map[string]string{}, known: map[string]bool{},
		servers: map[string]string{}, voters: map[string]string{}, clients: map[string]string{}, allocations: map[string]string{},
		indexes: map[timeline.Kind]uint64{},
	}
}

// named takes the leader that a server names, as an address.
func (v *regionView) named(server, address string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	leader := v.nameOf(address)
	was, known := v.views[server]
	v.views[server], v.known[server] = leader, true
	if known && was != leader && v.begun && leader != v.agreed {
		text := "names no leader"
		if leader != "" {
			text = "names " + leader + " as the leader"
		}
		v.recorder.Add(timeline.Event{Kind: timeline.Agent, Node: server, Text: text})
	}
	v.agree()
}

// silent forgets what a server has said that does not answer.
func (v *regionView) silent(server string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.views, server)
	v.agree()
}

// agree records the leader that the servers agree on, if it is another one: more than half of those that have answered so far
// name it, and it answers itself. So a server that has just started and knows no leader yet makes no gap.
func (v *regionView) agree() {
	votes := map[string]int{}
	for _, named := range v.views {
		votes[named]++
	}
	leader := ""
	for named, n := range votes {
		if _, answers := v.views[named]; answers && 2*n > len(v.known) {
			leader = named
		}
	}
	if v.begun && leader == v.agreed || !v.begun && leader == "" {
		return
	}
	v.agreed, v.begun = leader, true
	e := timeline.Event{Kind: timeline.Leader, Node: leader, Text: "is the leader"}
	if leader == "" {
		e.Text = "no leader that the servers agree on"
	}
	if v.several {
		e.Region = v.region
		e.Text += " of region " + v.region
		if leader == "" {
			e.Text = "no leader that the servers of region " + v.region + " agree on"
		}
	}
	v.recorder.Add(e)
}

// nameOf returns the name of the server that advertises the RPC address; the address if there is none.
func (v *regionView) nameOf(address string) string {
	for _, n := range serversOf(v.lab, v.region) {
		if n.Advertised().String() == address {
			return n.Name()
		}
	}
	return address
}

// members asks one server for the members, voters, clients and allocations.
func (v *regionView) members(ctx context.Context) {
	servers := serversOf(v.lab, v.region)
	// The one that answered last comes first, so that two servers that know different things do not take turns.
	slices.SortStableFunc(servers, func(a, b *lab.Node) int {
		return cmp.Compare(rank(a.Name() != v.asked), rank(b.Name() != v.asked))
	})
	for _, n := range servers {
		if v.ask(ctx, n) == nil {
			v.asked = n.Name()
			return
		}
	}
}

func rank(later bool) int {
	if later {
		return 1
	}
	return 0
}

// ask records what the server lists. Without the right to list one of them it records the others.
func (v *regionView) ask(ctx context.Context, n *lab.Node) error {
	c, err := n.API()
	if err != nil {
		return err
	}
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	o := (&api.QueryOptions{AllowStale: true}).WithContext(ctx)
	members, err := c.Agent().MembersOpts(o)
	if err != nil {
		return err
	}
	raft, raftErr := c.Operator().RaftGetConfiguration(o)
	nodes, nodesMeta, nodesErr := c.Nodes().List(o)
	all := (&api.QueryOptions{AllowStale: true, Namespace: api.AllNamespacesNamespace}).WithContext(ctx)
	allocations, allocationsMeta, allocationsErr := c.Allocations().List(all)
	now := map[string]string{}
	for _, m := range members.Members {
		if m.Tags["region"] == v.region {
			now[v.memberName(m)] = m.Status + " in gossip"
		}
	}
	v.changes(timeline.Member, v.servers, now, "gone from gossip")
	if raftErr == nil {
		v.raft(raft)
	}
	if nodesErr == nil && v.isNews(timeline.Member, nodesMeta) {
		v.nodes(nodes)
	}
	if allocationsErr == nil && v.isNews(timeline.Allocation, allocationsMeta) {
		v.allocated(allocations)
	}
	return nil
}

// isNews reports whether a list is at least as new as the last one. A server that has just started, or that is cut off, lists
// less than what was there before.
func (v *regionView) isNews(k timeline.Kind, m *api.QueryMeta) bool {
	if m.LastIndex < v.indexes[k] {
		return false
	}
	v.indexes[k] = m.LastIndex
	return true
}

// memberName returns the name of a member's node: gossip has names with the region behind them.
func (v *regionView) memberName(m *api.AgentMember) string {
	for _, n := range serversOf(v.lab, v.region) {
		if m.Name == n.Name()+"."+v.region {
			return n.Name()
		}
	}
	return m.Name
}

func (v *regionView) raft(r *api.RaftConfiguration) {
	now := map[string]string{}
	for _, s := range r.Servers {
		role := "is no voter in Raft yet"
		if s.Voter {
			role = "is a voter in Raft"
		}
		now[v.nameOf(s.Address)] = role
	}
	v.changes(timeline.Member, v.voters, now, "is no peer in Raft any more")
}

func (v *regionView) nodes(nodes []*api.NodeListStub) {
	// An agent that lost its data registers under a new ID: the newest entry of a name is the one that runs.
	slices.SortFunc(nodes, func(a, b *api.NodeListStub) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
	now := map[string]string{}
	for _, n := range nodes {
		now[n.Name] = "is " + n.Status + " as a client"
	}
	v.changes(timeline.Member, v.clients, now, "is no client any more")
}

// allocated records allocations by their client's name.
func (v *regionView) allocated(all []*api.AllocationListStub) {
	now := map[string]string{}
	for _, a := range all {
		restarts := uint64(0)
		for _, t := range a.TaskStates {
			restarts += t.Restarts
		}
		text := fmt.Sprintf("allocation %s of %s is %s", a.ID[:min(8, len(a.ID))], a.JobID, a.ClientStatus)
		if restarts > 0 {
			text += fmt.Sprintf(", restarted %d×", restarts)
		}
		now[a.ID] = text
		if v.allocations[a.ID] != text {
			v.recorder.Add(timeline.Event{Kind: timeline.Allocation, Node: a.NodeName, Text: text})
		}
	}
	v.allocations = now // one that the servers have collected is forgotten
}

// changes records, in order of the names, what is now other than it was, and keeps it.
func (v *regionView) changes(k timeline.Kind, was, now map[string]string, gone string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was[name] != now[name] {
			v.recorder.Add(timeline.Event{Kind: k, Node: name, Text: now[name]})
			was[name] = now[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, there := now[name]; !there && was[name] != gone {
			v.recorder.Add(timeline.Event{Kind: k, Node: name, Text: gone})
			was[name] = gone
		}
	}
}
