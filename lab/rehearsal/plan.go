package rehearsal

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
)

// plan returns the rollout of a round, as the lab is now.
func (r *rehearsal) plan(ctx context.Context, l *lab.Lab, s Strategy, round Round) (rollout.Plan, error) {
	nodes, err := r.ordered(ctx, l, s)
	if err != nil {
		return rollout.Plan{}, err
	}
	target := rollout.Target{Title: round.Title, Spec: r.spec(round.source, round.next), Nodes: nodes, Choose: r.choose}
	switch {
	case round.Unheard:
		target.Await = unheard
	case r.switchesACLOn():
		target.Await = untilBootstrapped
	}
	p, err := rollout.Toward(ctx, l, target)
	if err != nil {
		return p, err
	}
	if round.next {
		if p.Steps, err = r.bring(ctx, l, nodes, p.Steps, target, round.brings); err != nil {
			return p, err
		}
	}
	for i := range p.Steps {
		if p.Steps[i].Node == "" {
			continue
		}
		if err := r.prepareStep(l, &p.Steps[i]); err != nil {
			return p, err
		}
	}
	if steps, err := r.keyring(l, round); err != nil {
		return p, err
	} else if len(steps) > 0 {
		p.Steps = append(steps, p.Steps...)
	}
	access, err := r.access(round.access)
	if err != nil {
		return p, err
	}
	if key := round.source.Configuration.Server.Files.Text(encryptSetting); (key == "") != (l.GossipKey() == "") {
		access.GossipKey = &key // it was added or taken away, by restarts
	}
	if access != (lab.Access{}) {
		p.Steps = append(p.Steps, rollout.Step{Title: "the lab's own calls follow: their certificate, whom they trust, the gossip key", Effect: rollout.Nothing, Access: access})
	}
	return p, nil
}

// prepareStep adds to a step what it needs beside the files.
func (r *rehearsal) prepareStep(l *lab.Lab, s *rollout.Step) error {
	n, err := l.Node(s.Node)
	if err != nil {
		return err
	}
	s.Files = withFolders(n.Plan(), s.Files)
	if n.Role() == pki.Server && r.switchesACLOn() && s.Effect == rollout.Restart {
		s.Call.Do = r.bootstrap
	}
	return nil
}

// ordered returns the nodes in the strategy's order.
func (r *rehearsal) ordered(ctx context.Context, l *lab.Lab, s Strategy) ([]*lab.Node, error) {
	var name string
	if leader, err := l.Leader(ctx, ""); err == nil { // without a leader any order is as good
		name = leader.Name()
	}
	nodes := rollout.Order(rollout.Members(l), name)
	if s.Order == ClientsFirst {
		slices.SortStableFunc(nodes, func(a, b *lab.Node) int { return cmp.Compare(a.Role(), b.Role()) }) // client, server
	}
	names := s.nodes()
	if len(names) == 0 {
		return nodes, nil
	}
	var out []*lab.Node
	for _, name := range names {
		n, err := l.Node(name)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	for _, n := range nodes { // those that are not named come last
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// nodes returns the names of the order; none for an order of Orders.
func (s Strategy) nodes() []string {
	if slices.Contains(Orders(), s.Order) {
		return nil
	}
	return strings.Split(s.Order, ",")
}

// choose returns how the change of a node takes effect. Lines that a running cluster does not read do not count.
func (r *rehearsal) choose(n *lab.Node, lines []rollout.Line, material bool) (rollout.Effect, string) {
	idle := func(l rollout.Line) bool {
		return slices.ContainsFunc(r.change.Lines, func(o Line) bool {
			return o.Role == n.Role() && strings.EqualFold(o.Setting, l.Path) && (o.Effect == Nothing || o.Effect == Call)
		})
	}
	return rollout.Choose(slices.DeleteFunc(slices.Clone(lines), idle), material)
}

// unheard are the conditions for the next node while servers do not hear each other's gossip.
func unheard(n *lab.Node) []rollout.Await {
	if n.Role() == pki.Client {
		return rollout.Settled(n)
	}
	return []rollout.Await{rollout.Healthy(n.Name()), rollout.LeaderKnown(n.Region())}
}

// untilBootstrapped are the conditions for the next node while only some servers want tokens: those deny every question but who leads,
// until the leader is bootstrapped.
func untilBootstrapped(n *lab.Node) []rollout.Await {
	if n.Role() == pki.Client {
		return rollout.Settled(n)
	}
	return []rollout.Await{rollout.Healthy(n.Name()), rollout.LeaderKnown(n.Region()), rollout.Voter(n.Name())}
}

// keyring returns the calls that change the gossip key of the running servers, in the round that brings another one.
func (r *rehearsal) keyring(l *lab.Lab, round Round) ([]rollout.Step, error) {
	next := round.source.Configuration.Server.Files.Text(encryptSetting)
	if now := l.GossipKey(); now == "" || next == "" || now == next {
		return nil, nil
	}
	p, err := rollout.RotateGossip(l, next)
	return p.Steps, err
}

// bring adds to the steps what no file says: another version of Nomad, and a data_dir without the state of the old one. In a round
// after the one that brings it, it adds to the steps that there are.
func (r *rehearsal) bring(ctx context.Context, l *lab.Lab, nodes []*lab.Node, steps []rollout.Step, t rollout.Target, first bool) ([]rollout.Step, error) {
	planned, err := l.Replan(t.Spec)
	if err != nil {
		return nil, err
	}
	settled := rollout.Settled
	if t.Await != nil {
		settled = t.Await
	}
	var out []rollout.Step
	var nomad lab.Nomad
	other := r.change.FromVersion != r.change.ToVersion
	if other {
		if nomad, err = l.FindNomad(ctx, r.change.ToVersion, nil); err != nil {
			return nil, err
		}
	}
	for _, n := range nodes {
		moved := r.change.Has(n.Role(), dataSetting)
		at := slices.IndexFunc(steps, func(s rollout.Step) bool { return s.Node == n.Name() })
		if at < 0 && (!first || !moved && !other) {
			continue
		}
		s := rollout.Step{Node: n.Name(), Title: t.Title, Await: settled(n)}
		if at >= 0 {
			s = steps[at]
		}
		next := planned.Nodes[slices.IndexFunc(planned.Nodes, func(o plan.Node) bool { return o.Name == n.Name() })]
		if s, err = r.bringOne(s, next, moved, nomad); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	out = append(out, slices.DeleteFunc(steps, func(s rollout.Step) bool { return s.Node != "" })...) // those without a node come last
	if first && other {
		out = append(out, rollout.Step{Title: "all agents run Nomad " + r.change.ToVersion, Effect: rollout.Nothing, Call: rollout.Call{
			Do: func(_ context.Context, l *lab.Lab) error { return l.SetNomad(nomad) },
		}})
	}
	return out, nil
}

// bringOne returns the step of one node with the version and the data_dir that it is to have.
func (r *rehearsal) bringOne(s rollout.Step, next plan.Node, moved bool, nomad lab.Nomad) (rollout.Step, error) {
	if moved {
		var err error
		if next, err = moveData(&s, next); err != nil {
			return s, err
		}
		if next.Role == pki.Client {
			s.Await = append(s.Await, givenUp(s.Node))
		}
	}
	if nomad.Version != "" {
		s.Binary, s.Version, s.Effect = nomad.Binary, nomad.Version, rollout.Restart
		s.Why = "another program needs a restart: Nomad " + nomad.Version
		next.Nomad = spec.Nomad{Version: nomad.Version, Image: nomad.Image}
		if nomad.Image == "" {
			next.Nomad.Binary = nomad.Binary
		}
	}
	s.Revise = func(p *plan.Node) { *p = next }
	return s, nil
}

// givenUp waits until the servers have given up the node that a client was before it lost its data_dir: only then do they replace its
// allocations.
func givenUp(client string) rollout.Await {
	return rollout.Await{What: "the servers have given up the node that " + client + " was", Met: func(ctx context.Context, l *lab.Lab) error {
		leader, err := l.Leader(ctx, "")
		if err != nil {
			return err
		}
		c, err := leader.API()
		if err != nil {
			return err
		}
		nodes, _, err := c.Nodes().List(new(api.QueryOptions).WithContext(ctx))
		if err != nil {
			return fmt.Errorf("list the clients: %w", err)
		}
		up := 0
		for _, n := range nodes {
			if n.Name == client && n.Status != api.NodeStatusDown {
				up++
			}
		}
		if up > 1 {
			return fmt.Errorf("the servers still wait for %d nodes of the name %s", up, client)
		}
		return nil
	}}
}

// moveData makes the step start the agent with an empty data_dir below the one that it had. It returns the node's plan with that.
func moveData(s *rollout.Step, next plan.Node) (plan.Node, error) {
	at := slices.IndexFunc(next.Files, func(f plan.File) bool { return path.Base(f.Path) == fit.OwnFile })
	if at < 0 {
		return next, fmt.Errorf("%s has no file of the lab's own", s.Node)
	}
	own := next.Files[at]
	files := agentconf.Files{agentconf.NewFile(own.Path, []byte(own.Content))}
	folder := path.Join(files.Text(dataSetting), "moved")
	text, err := agentconf.Edit([]byte(own.Content), dataSetting, fmt.Sprintf("%q", folder))
	if err != nil {
		return next, fmt.Errorf("move the data_dir of %s: %w", s.Node, err)
	}
	s.Files = slices.DeleteFunc(slices.Clone(s.Files), func(f rollout.File) bool { return f.Path == own.Path })
	s.Files = append(s.Files,
		rollout.File{Path: folder, Mode: fs.ModeDir | 0o700},
		rollout.File{Path: own.Path, Mode: own.Mode, What: "agent configuration", Data: text})
	s.Effect, s.Why = rollout.Restart, dataSetting+": "+whyDataMoved
	own.Content = string(text)
	next.Files = slices.Clone(next.Files)
	next.Files[at] = own
	return next, nil
}

// withFolders returns the files after the folders that they need and the node does not have.
func withFolders(now plan.Node, files []rollout.File) []rollout.File {
	has := map[string]bool{"/": true}
	add := func(folder string) {
		for ; folder != "/" && folder != "."; folder = path.Dir(folder) {
			has[folder] = true
		}
	}
	for _, f := range now.Files {
		if f.Mode.IsDir() {
			add(f.Path)
		} else {
			add(path.Dir(f.Path))
		}
	}
	var out []rollout.File
	for _, f := range files {
		var missing []string
		for folder := path.Dir(f.Path); !has[folder]; folder = path.Dir(folder) {
			missing = append(missing, folder)
			has[folder] = true
		}
		for _, folder := range slices.Backward(missing) {
			out = append(out, rollout.File{Path: folder, Mode: fs.ModeDir | 0o700})
		}
		if f.Mode.IsDir() {
			add(f.Path)
		}
		out = append(out, f)
	}
	return out
}

// access returns what the lab itself presents and trusts. The zero Access changes nothing.
func (r *rehearsal) access(of accessOf) (lab.Access, error) {
	if of == accessAsBefore {
		return lab.Access{}, nil
	}
	side := r.to
	if of == accessTrustsBoth {
		side = r.from
	}
	c, err := cliOf(side)
	if err != nil {
		return lab.Access{}, fmt.Errorf("issue a certificate for the lab's own calls: %w", err)
	}
	if of != accessNew {
		a, b := r.from.Source.Configuration.Server.Credential, r.to.Source.Configuration.Server.Credential
		c.CAPEM = bothOf(*a, *b)
	}
	out := lab.Access{CLI: &c}
	if of != accessTrustsBoth {
		out.Authority = side.Source.Configuration.Authority
	}
	return out, nil
}

// cliOf returns the credential with which a side's agents are called, as a lab chooses it.
func cliOf(s Side) (pki.Credential, error) {
	c := s.Source.Configuration
	switch {
	case c.CLI != nil:
		return *c.CLI, nil
	case c.Authority != nil:
		return c.Authority.Issue(pki.Identity{Role: pki.CLI, Region: s.Source.Region})
	default: // HTTPS accepts any certificate of the authority (verified against Nomad 1.11.3)
		return *cmp.Or(c.Server.Credential, c.Client.Credential), nil
	}
}
