package lab

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/advisory"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// Status is the state of a lab and of its nodes, as the engine and the agents report it.
type Status struct {
	Lab    string `json:"lab"`
	Engine string `json:"engine"`
	Nomad  string `json:"nomad_version"`
	Image  string `json:"image"`
	// Subnet is empty for a lab that Compose brought up.
	Subnet  string    `json:"subnet"`
	Created time.Time `json:"created"`
	// ACL reports whether the lab has a management token, without which its agents answer next to nothing.
	ACL bool `json:"acl,omitempty"`
	// Ready reports whether Trouble is empty: every node but extra ones runs and does the work of its role.
	Ready bool `json:"ready"`
	// Trouble has a line for each thing that is wrong.
	Trouble []string `json:"trouble"`
	// Next has a line for each thing to do about the trouble. Nil for a lab that is ready.
	Next []string `json:"next,omitempty"`
	// Advisories has a line for each version of Nomad that a known advisory affects: see package advisory.
	Advisories []string     `json:"advisories,omitempty"`
	Nodes      []NodeStatus `json:"nodes"`
}

// NodeStatus is the state of a node. What only the node itself could have answered is zero if it does not answer.
type NodeStatus struct {
	Name      string   `json:"name"`
	Role      pki.Role `json:"role"`
	Region    string   `json:"region"`
	ExtraNode bool     `json:"extra_node,omitempty"`
	// Nomad is the version that the agent runs: as the servers list it, or else as the node was made.
	Nomad string `json:"nomad_version,omitempty"`
	// State is Nomad's word, such as alive or failed for a server, ready or down for a client; or one of StateStopped and the
	// constants beside it.
	State string `json:"state"`
	// Why is the engine's reason for StateCutOff, with the remedy if it is known. Empty for all other states.
	Why    string `json:"why,omitempty"`
	Leader bool   `json:"leader,omitempty"`
	Voter  bool   `json:"voter,omitempty"`
	// Address is empty for a stopped node of a lab that Compose brought up.
	Address string `json:"address"`
	// HTTP is the URL at which this host reaches the agent's API.
	HTTP string `json:"http,omitempty"`
	// CertificateExpires is when the certificate that the agent presents now expires.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	// Gossip is GossipEncrypted or GossipOpen, by serf.encrypted in the server's own stats. Empty for a client, and for a
	// server that does not answer.
	Gossip string `json:"gossip,omitempty"`
}

// The states of a node for which Nomad has no word.
const (
	// StateStopped is a node that does not run.
	StateStopped = "stopped"
	// StatePaused is a node that is suspended.
	StatePaused = "paused"
	// StateCutOff is a node that runs and is not on the lab's network.
	StateCutOff = "cut off"
	// StateMissing is a node of which the engine has nothing, for example because its container was removed.
	StateMissing = "missing"
	// StateSilent is a node that runs and does not answer, and that no server lists.
	StateSilent = "no answer"
)

// Status asks the engine and all nodes, side by side. A node that does not answer is part of the Status, not an error.
func (l *Lab) Status(ctx context.Context) Status {
	s := Status{
		Lab: l.Name(), Engine: l.Engine(), Nomad: l.NomadVersion(), Image: l.Image(),
		Created: l.Created(), ACL: l.ManagementToken() != "", Nodes: make([]NodeStatus, len(l.nodes)), Trouble: []string{},
	}
	if subnet := l.Plan().Subnet; subnet.IsValid() {
		s.Subnet = subnet.String()
	}
	if err := l.checkExpiry(); err != nil {
		s.Trouble = append(s.Trouble, err.Error())
	}
	if l.Plan().NotBootstrapped {
		s.Trouble = append(s.Trouble, "its ACL system is not bootstrapped: the agents answer no request for their state")
	}
	states, err := l.refresh(ctx)
	if err != nil {
		s.Trouble = append(s.Trouble, "the engine does not say what runs: "+oneLine(err))
	}
	s.Trouble = append(s.Trouble, l.servicesTrouble(states)...)
	views := map[string]regionView{}
	for _, r := range l.regions() {
		views[r.name] = r.view(ctx)
	}
	var g errgroup.Group
	for i, n := range l.nodes {
		g.Go(func() error {
			s.Nodes[i] = n.status(ctx, views[n.Region()], states)
			return nil
		})
	}
	_ = g.Wait()
	for _, r := range l.regions() {
		if trouble := views[r.name].trouble; trouble != "" {
			s.Trouble = append(s.Trouble, trouble)
		}
	}
	s.Advisories = advisories(s.Nodes)
	s.judge(l.Plan())
	s.advise(l.record.Run == state.ComposeRun(l.Name()))
	return s
}

// advisories returns a line for each version that the nodes run and that an advisory affects, in their order.
func advisories(nodes []NodeStatus) []string {
	var out []string
	for _, n := range nodes {
		if text := advisory.Summary(n.Nomad); text != "" && !n.ExtraNode && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// regionView is what a region's servers say about its nodes.
type regionView struct {
	leader  string
	trouble string
	voters  map[string]bool
	servers map[string]string
	clients map[string]string
	// versions are those of servers by their address, and of clients by their name.
	versions map[string]string
}

// view asks the region's servers, but not paused ones, which would never answer.
func (r region) view(ctx context.Context) regionView {
	v := regionView{voters: map[string]bool{}, servers: map[string]string{}, clients: map[string]string{}, versions: map[string]string{}}
	agreed, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	asked := slices.DeleteFunc(r.servers(), func(n *Node) bool { return n.lastState().Paused })
	if _, err := r.leader(agreed, asked); err != nil {
		v.trouble = fmt.Sprintf("region %s has no leader that its servers agree on: %s", r.name, oneLine(err))
	}
	for _, n := range asked {
		c, err := n.API()
		if err == nil && v.fill(ctx, c, r) == nil {
			break
		}
	}
	return v
}

// fill asks one server. After an error the caller asks the next one.
func (v *regionView) fill(ctx context.Context, c *api.Client, in region) error {
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	members, err := c.Agent().MembersOpts(query(ctx))
	if err != nil {
		return err
	}
	for _, m := range members.Members {
		v.servers[m.Addr], v.versions[m.Addr] = m.Status, m.Tags["build"]
	}
	nodes, _, err := c.Nodes().List(query(ctx))
	if err != nil {
		return err
	}
	// An agent that lost its data registers under a new ID: the newest entry of a name is the one that runs.
	slices.SortFunc(nodes, func(a, b *api.NodeListStub) int { return int(a.CreateIndex) - int(b.CreateIndex) })
	for _, n := range nodes {
		v.clients[n.Name], v.versions[n.Name] = n.Status, n.Version
	}
	raft, err := c.Operator().RaftGetConfiguration(query(ctx))
	if err != nil {
		return err
	}
	for _, peer := range raft.Servers {
		if n := in.serverAt(peer.Address); n != nil {
			v.voters[n.Name()] = peer.Voter
			if peer.Leader {
				v.leader = n.Name()
			}
		}
	}
	return nil
}

// status asks a node for its state. states are those of all nodes, by name, as the engine has them.
func (n *Node) status(ctx context.Context, v regionView, states map[string]engine.State) NodeStatus {
	s := NodeStatus{
		Name: n.Name(), Role: n.Role(), Region: n.Region(), ExtraNode: n.plan().ExtraNode,
		Leader: v.leader == n.Name(), Voter: v.voters[n.Name()],
	}
	s.State, s.Why = unreachable(states, n.Name())
	if address := n.Address(); address.IsValid() {
		s.Address = address.String()
	}
	s.Nomad = cmp.Or(v.versions[s.Address], n.NomadVersion())
	if n.Role() == pki.Client {
		s.Nomad = cmp.Or(v.versions[n.Name()], n.NomadVersion())
	}
	at := n.HTTP()
	if at.IsValid() {
		s.HTTP = n.plan().HTTPScheme() + "://" + at.String()
	}
	if s.State != "" || s.HTTP == "" {
		s.State = cmp.Or(s.State, StateSilent)
		return s
	}
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	if n.Role() == pki.Client {
		s.State = cmp.Or(v.clients[n.Name()], StateSilent)
	} else {
		s.State = cmp.Or(v.servers[n.Address().String()], StateSilent)
	}
	if shown, err := n.Certificate(ctx); err == nil {
		s.CertificateExpires = shown.NotAfter
	}
	var self api.AgentSelf
	if n.Role() == pki.Server && n.get(ctx, "/v1/agent/self", &self) == nil {
		s.Gossip = map[string]string{"true": GossipEncrypted, "false": GossipOpen}[self.Stats["serf"]["encrypted"]]
	}
	return s
}

// unreachable returns the state of a node that cannot answer, and why it cannot; empty for one that can.
func unreachable(states map[string]engine.State, name string) (state, why string) {
	s, there := states[name]
	switch {
	case !there:
		return StateMissing, ""
	case !s.Running:
		return StateStopped, ""
	case s.Paused:
		return StatePaused, ""
	case s.CutOff != "":
		return StateCutOff, s.CutOff
	default:
		return "", ""
	}
}

// The values of NodeStatus.Gossip.
const (
	GossipEncrypted = "encrypted"
	GossipOpen      = "open"
)

// judge adds the trouble of each node. Gossip that the plan leaves unencrypted is none.
func (s *Status) judge(p plan.Plan) {
	for _, n := range s.Nodes {
		switch {
		case n.ExtraNode:
		case n.State != "alive" && n.State != api.NodeStatusReady:
			s.Trouble = append(s.Trouble, n.trouble())
		case n.Role == pki.Server && !n.Voter:
			s.Trouble = append(s.Trouble, n.Name+" is no voter")
		case n.Role == pki.Server && n.Gossip == "":
			s.Trouble = append(s.Trouble, n.Name+" does not answer")
		case n.Gossip == GossipOpen && !p.GossipsInClear(n.Name):
			s.Trouble = append(s.Trouble, n.Name+" does not encrypt its gossip")
		}
		if until := n.CertificateExpires; !until.IsZero() && time.Until(until) < time.Hour {
			s.Trouble = append(s.Trouble, fmt.Sprintf("the certificate of %s ends at %s", n.Name, until.Local().Format(time.DateTime)))
		}
	}
	s.Ready = len(s.Trouble) == 0
}

// trouble returns what is wrong with a node whose State is not the good one, in words.
func (n NodeStatus) trouble() string {
	switch {
	case n.State == StateSilent:
		return n.Name + " does not answer"
	case n.State == StateMissing:
		return n.Name + " is missing: nothing of it is left"
	case n.Why != "":
		return fmt.Sprintf("%s is %s: %s", n.Name, n.State, n.Why)
	default:
		return n.Name + " is " + n.State
	}
}

// advise fills in Next. composed is true for a lab that Docker Compose brought up.
func (s *Status) advise(composed bool) {
	if s.Ready {
		return
	}
	in := func(states ...string) bool {
		return slices.ContainsFunc(s.Nodes, func(n NodeStatus) bool { return !n.ExtraNode && slices.Contains(states, n.State) })
	}
	if in(StateStopped, StatePaused) {
		s.Next = append(s.Next, fmt.Sprintf("`nomadlab start %s` starts what is stopped, and resumes what is paused", s.Lab))
	}
	switch {
	case in(StateMissing) && composed:
		s.Next = append(s.Next, "`docker-compose up -d`, where the lab's docker-compose.yml is, makes a node that is missing again")
	case in(StateMissing):
		s.Next = append(s.Next, fmt.Sprintf("a node that is missing cannot be made again: `nomadlab down %s`, then `nomadlab up --name %s` makes a new lab",
			s.Lab, s.Lab))
	}
	if len(s.Next) == 0 && !in(StateCutOff) { // the trouble of a node that is cut off says what to do
		s.Next = append(s.Next, fmt.Sprintf("`nomadlab logs %s` shows what the agents say", s.Lab))
	}
}
