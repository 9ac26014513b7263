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
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// Status is a lab in one look. It is asked of the engine and of the agents themselves.
type Status struct {
	Lab    string `json:"lab"`
	Engine string `json:"engine"`
	Nomad  string `json:"nomad_version"`
	Image  string `json:"image"`
	// Subnet is empty for a lab that Compose brought up.
	Subnet  string    `json:"subnet"`
	Created time.Time `json:"created"`
	// ACL is true for a lab that has a management token, without which its agents answer next to nothing.
	ACL bool `json:"acl,omitempty"`
	// Ready is true when every member runs, is healthy, and its role is fulfilled.
	Ready bool `json:"ready"`
	// Trouble says in a line each what is not as it should be.
	Trouble []string `json:"trouble"`
	// Next says in a line each what can be done about the trouble. Nil for a lab that is ready.
	Next  []string     `json:"next,omitempty"`
	Nodes []NodeStatus `json:"nodes"`
}

// NodeStatus is a node in one look. What a node that does not answer would say is zero.
type NodeStatus struct {
	Name      string   `json:"name"`
	Role      pki.Role `json:"role"`
	Region    string   `json:"region"`
	ExtraNode bool     `json:"extra_node,omitempty"`
	// State is Nomad's word: alive or failed for a server, ready or down for a client; or one of StateStopped and those
	// beside it.
	State string `json:"state"`
	// Why is what the engine says of a node that is cut off, with what puts it back where that is known. Empty for all others.
	Why    string `json:"why,omitempty"`
	Leader bool   `json:"leader,omitempty"`
	Voter  bool   `json:"voter,omitempty"`
	// Address is empty for a stopped node of a lab that Compose brought up.
	Address string `json:"address"`
	// HTTP is where this host reaches the agent's API.
	HTTP string `json:"http,omitempty"`
	// CertificateExpires is the end of the certificate that the agent shows now.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	// Gossip is what a server says of itself, by serf.encrypted in its stats: encrypted or open. Empty for a client, and
	// for a server that did not say.
	Gossip string `json:"gossip,omitempty"`
}

// What the state of a node is where Nomad has no word for it.
const (
	// StateStopped is a node that does not run.
	StateStopped = "stopped"
	// StatePaused is a node that runs and was stopped where it stands.
	StatePaused = "paused"
	// StateCutOff is a node that runs and is not on the lab's network.
	StateCutOff = "cut off"
	// StateMissing is a node of which the engine has nothing: its container was removed, say.
	StateMissing = "missing"
	// StateSilent is a node that runs and of which neither itself nor a server said anything.
	StateSilent = "no answer"
)

// Status looks at every node side by side. A node that does not answer is part of the answer, not an error.
func (l *Lab) Status(ctx context.Context) Status {
	s := Status{
		Lab: l.Name(), Engine: l.Engine(), Nomad: l.NomadVersion(), Image: l.Image(),
		Created: l.Created(), ACL: l.ManagementToken() != "", Nodes: make([]NodeStatus, len(l.nodes)), Trouble: []string{},
	}
	if subnet := l.record.Plan.Subnet; subnet.IsValid() {
		s.Subnet = subnet.String()
	}
	if err := l.outlived(); err != nil {
		s.Trouble = append(s.Trouble, err.Error())
	}
	if l.record.Plan.NotBootstrapped {
		s.Trouble = append(s.Trouble, "its ACL system is not bootstrapped: agents tell nobody how they are")
	}
	states, err := l.look(ctx)
	if err != nil {
		s.Trouble = append(s.Trouble, "the engine does not say what runs: "+text(err))
	}
	views := map[string]regionView{}
	for _, region := range l.regions() {
		views[region] = l.view(ctx, region)
	}
	var g errgroup.Group
	for i, n := range l.nodes {
		g.Go(func() error {
			s.Nodes[i] = n.status(ctx, views[n.Region()], states)
			return nil
		})
	}
	_ = g.Wait()
	for _, region := range l.regions() {
		if trouble := views[region].trouble; trouble != "" {
			s.Trouble = append(s.Trouble, trouble)
		}
	}
	s.judge(l.record.Plan)
	s.advise(l.composed())
	return s
}

// regionView is what a region's servers say about its members.
type regionView struct {
	leader  string
	trouble string
	voters  map[string]bool
	servers map[string]string
	clients map[string]string
}

func (l *Lab) view(ctx context.Context, region string) regionView {
	v := regionView{voters: map[string]bool{}, servers: map[string]string{}, clients: map[string]string{}}
	agreed, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	asked := slices.DeleteFunc(l.running(region), (*Node).paused) // a paused one would only be waited for
	if _, err := l.leaderAsToldBy(agreed, region, asked); err != nil {
		v.trouble = fmt.Sprintf("region %s has no leader that its servers agree on: %s", region, text(err))
	}
	for _, n := range asked {
		c, err := n.API()
		if err == nil && v.fill(ctx, c, l) == nil {
			break
		}
	}
	return v
}

// fill asks one server. The next one is asked if it does not answer all.
func (v *regionView) fill(ctx context.Context, c *api.Client, l *Lab) error {
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	members, err := c.Agent().MembersOpts(query(ctx))
	if err != nil {
		return err
	}
	for _, m := range members.Members {
		v.servers[m.Addr] = m.Status
	}
	nodes, _, err := c.Nodes().List(query(ctx))
	if err != nil {
		return err
	}
	// An agent that lost its data comes back under a new ID: the newest entry of a name is the one that runs.
	slices.SortFunc(nodes, func(a, b *api.NodeListStub) int { return int(a.CreateIndex) - int(b.CreateIndex) })
	for _, n := range nodes {
		v.clients[n.Name] = n.Status
	}
	raft, err := c.Operator().RaftGetConfiguration(query(ctx))
	if err != nil {
		return err
	}
	for _, r := range raft.Servers {
		if n := l.atRPC(r.Address); n != nil {
			v.voters[n.Name()] = r.Voter
			if r.Leader {
				v.leader = n.Name()
			}
		}
	}
	return nil
}

// status asks a node how it is. States are those of the lab's nodes, by name.
func (n *Node) status(ctx context.Context, v regionView, states map[string]engine.State) NodeStatus {
	s := NodeStatus{
		Name: n.Name(), Role: n.Role(), Region: n.Region(), ExtraNode: n.plan.ExtraNode,
		Leader: v.leader == n.Name(), Voter: v.voters[n.Name()],
	}
	s.State, s.Why = condemned(states, n.Name())
	if address := n.Address(); address.IsValid() {
		s.Address = address.String()
	}
	at := n.HTTP()
	if at.IsValid() {
		s.HTTP = n.plan.HTTPScheme() + "://" + at.String()
	}
	if s.State != "" || s.HTTP == "" {
		s.State = cmp.Or(s.State, StateSilent)
		return s
	}
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	s.State = StateSilent
	if n.Role() == pki.Client && v.clients[n.Name()] != "" {
		s.State = v.clients[n.Name()]
	}
	if n.Role() == pki.Server && v.servers[n.Address().String()] != "" {
		s.State = v.servers[n.Address().String()]
	}
	if shown, err := n.Certificate(ctx); err == nil {
		s.CertificateExpires = shown.NotAfter
	}
	if c, err := n.API(); err == nil && n.Role() == pki.Server {
		var self api.AgentSelf
		if _, err := c.Raw().Query("/v1/agent/self", &self, query(ctx)); err == nil {
			s.Gossip = gossipOf(self)
		}
	}
	return s
}

// condemned is the state of a node that cannot answer, and why. Empty: it can.
func condemned(states map[string]engine.State, name string) (state, why string) {
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

// What a server says of its gossip.
const (
	GossipEncrypted = "encrypted"
	GossipOpen      = "open"
)

func gossipOf(self api.AgentSelf) string {
	switch self.Stats["serf"]["encrypted"] {
	case "true":
		return GossipEncrypted
	case "false":
		return GossipOpen
	default:
		return ""
	}
}

// judge says of each node what is not as it should be. What a weakened lab goes without is as it should be.
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

// trouble is what is wrong with a node that is not as Nomad would have it, in words.
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

// advise says what can be done about nodes that do not answer, in a lab of nomadlab's own or of Compose.
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
	if len(s.Next) == 0 && !in(StateCutOff) { // whose trouble says what to do
		s.Next = append(s.Next, fmt.Sprintf("`nomadlab logs %s` shows what the agents say", s.Lab))
	}
}
