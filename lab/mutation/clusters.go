package mutation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// Clusters starts the clusters of packs.
type Clusters struct {
	// Engine runs them. Others are the other engines of this machine: the names of their labs are taken too.
	Engine engine.Engine
	Others []engine.Engine
	// Spec is a sound cluster. The pack says how many agents it has.
	Spec spec.Spec
	// Up is the options of the start; Wait and Others are set by Run.
	Up lab.UpOptions
	// Timed is called with the times of each cluster after its removal. Nil is fine.
	Timed func(Pack, Times)
}

// Run starts the pack's cluster with the mutations, calls check, and removes the cluster, whatever the result. If
// the mutations take turns, it calls check once for each, with a pack of that one alone.
func (c Clusters) Run(ctx context.Context, p Pack, check func(context.Context, *lab.Lab, Pack) error) (err error) {
	began := time.Now()
	var t Times
	o := c.Up
	o.Others, o.Wait = c.Others, p.Wait()
	l, err := lab.Up(ctx, c.Engine, c.spec(p), o)
	if err != nil {
		return err
	}
	defer func() {
		downs := time.Now()
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
		defer cancel()
		if down := l.Down(removing); down != nil {
			err = errors.Join(err, fmt.Errorf("remove the cluster of %s: %w", p.Name, down))
		}
		if t.Down = time.Since(downs); c.Timed != nil {
			c.Timed(p, t)
		}
	}()
	err = p.settle(ctx, l)
	t.Up = time.Since(began)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	checking := time.Now()
	defer func() { t.Checks = time.Since(checking) }()
	if !p.InTurn {
		return p.withLive(ctx, l, func() error { return check(ctx, l, p) })
	}
	if p.Clients > 0 { // one sample job does for all of them
		w, _, err := inspect.StartSampleJob(ctx, l, p.SampleJobAt)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		p.sampleJob = &w
	}
	for _, placed := range p.Placed {
		one := p
		one.Name, one.Placed = placed.Mutation.ID, []Placed{placed}
		if err := one.withLive(ctx, l, func() error { return check(ctx, l, one) }); err != nil {
			return err
		}
	}
	return nil
}

// spec returns the Spec of the pack's cluster.
func (c Clusters) spec(p Pack) spec.Spec {
	s := c.Spec.With(spec.Servers(p.Servers), spec.Clients(p.Clients))
	if p.QuickPolicies {
		s = s.With(QuickPolicies())
	}
	if p.Extra != "" {
		s = s.With(spec.ExtraNodes(spec.ExtraNode{Name: p.Extra, Role: p.Placed[0].Mutation.Role}))
	}
	for _, placed := range p.Placed {
		s = s.With(placed.Mutation.Options(Carrier{Node: placed.Node, Region: s.Regions[0].Name})...)
	}
	if p.noLeader() {
		s = s.With(spec.NotBootstrapped())
	}
	return s
}

// noLeader reports whether the servers find no leader.
func (p Pack) noLeader() bool { return len(p.Placed) == 1 && p.Placed[0].Mutation.NoLeader }

// settle starts the extra node, and waits until the cluster is in the state that is checked.
func (p Pack) settle(ctx context.Context, l *lab.Lab) error {
	if p.Lead != "" {
		if err := MakeLeader(ctx, l, p.Lead); err != nil {
			return err
		}
	}
	if p.Extra != "" {
		extra, err := l.Node(p.Extra)
		if err != nil {
			return err
		}
		if err := extra.Start(ctx); err != nil {
			return err
		}
	}
	if p.Extra == "" && !p.noLeader() {
		return nil // it is ready
	}
	for _, agent := range inspect.Targets(l, p.Extra) {
		if err := poll.Until(ctx, agent.Name+" to answer", func(ctx context.Context) string {
			return probe.Liveness(ctx, agent, probe.PlaneHTTP).Err
		}); err != nil {
			return err
		}
	}
	if p.Extra != "" && len(p.Placed[0].Mutation.Checks) == 0 { // it is let in
		return awaitVote(ctx, l, p.Extra)
	}
	return nil
}

// awaitVote waits until the extra server is a voter of Raft.
func awaitVote(ctx context.Context, l *lab.Lab, name string) error {
	extra, err := l.Node(name)
	if err != nil {
		return err
	}
	return poll.Until(ctx, name+" to have a vote", func(ctx context.Context) string {
		_, servers, err := raftServers(ctx, l.Servers()[0])
		if err != nil {
			return err.Error()
		}
		var voters []string
		for _, s := range servers {
			if s.Voter {
				voters = append(voters, s.Address)
			}
		}
		if slices.Contains(voters, extra.Advertised().String()) {
			return ""
		}
		return "the voters are " + strings.Join(voters, ", ")
	})
}

// raftServers returns the servers in Raft's configuration, as the server has it, and a client of that server's API.
func raftServers(ctx context.Context, server *lab.Node) (*api.Client, []*api.RaftServer, error) {
	client, err := server.API()
	if err != nil {
		return nil, nil, err
	}
	raft, err := client.Operator().RaftGetConfiguration(new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for Raft's configuration: %w", err)
	}
	return client, raft.Servers, nil
}

// withLive makes the changes of the running cluster, calls check, and reverts them.
func (p Pack) withLive(ctx context.Context, l *lab.Lab, check func() error) (err error) {
	for _, placed := range p.Placed {
		change := placed.Mutation.Live
		if change == nil {
			continue
		}
		if err := doLive(ctx, l, change.Do); err != nil {
			return fmt.Errorf("%s: %w", placed.Mutation.ID, err)
		}
		if change.Undo != nil {
			defer func() {
				if undone := doLive(ctx, l, change.Undo); undone != nil {
					err = errors.Join(err, fmt.Errorf("take back %s: %w", placed.Mutation.ID, undone))
				}
			}()
		}
	}
	return check()
}

// doLive changes a running cluster, within deadline.Hang.
func doLive(ctx context.Context, l *lab.Lab, do func(context.Context, *lab.Lab) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline.Hang)
	defer cancel()
	return do(ctx, l)
}

// Inspect returns which checks to run on the pack's cluster.
func (p Pack) Inspect() inspect.Options {
	o := inspect.Options{NoMatrix: true, Destructive: !p.InTurn, SampleJobAt: p.SampleJobAt, SampleJob: p.sampleJob, StandIns: true}
	if p.Extra != "" {
		o.Members = []string{p.Extra}
	}
	if len(p.Placed) == 1 {
		m := p.Placed[0].Mutation
		o.Only = m.Checks
		o.NoMatrix = !m.Matrix || p.Placed[0].Scope == Agent
	}
	return o
}

// attempts is how often a pack's cluster is checked if leadership moves meanwhile.
const attempts = 4

// Check runs the checks. If the pack names a Lead, it runs them while that server leads, so that a server with a
// mutation does not decide for the others. A leader on a busy machine may lose its lease; all checks then run again,
// up to four times in all.
func (p Pack) Check(ctx context.Context, l *lab.Lab, o inspect.Options) (finding.Report, error) {
	if p.Lead == "" {
		return inspect.Lab(ctx, l, o)
	}
	for range attempts {
		began := leaderTerm(ctx, l, p.Lead)
		if began == "" {
			if err := MakeLeader(ctx, l, p.Lead); err != nil {
				return finding.Report{}, err
			}
			began = leaderTerm(ctx, l, p.Lead)
		}
		r, err := inspect.Lab(ctx, l, o)
		if err != nil || began != "" && leaderTerm(ctx, l, p.Lead) == began {
			return r, err
		}
	}
	return finding.Report{}, fmt.Errorf("%s: %s lost leadership each of %d times while the checks were carried out", p.Name, p.Lead, attempts)
}

// termTimeout is how long the server may take to say whether it leads: see deadline.Fair.
const termTimeout = 5 * time.Second

// leaderTerm returns the Raft term in which the server leads; "" if it does not lead or does not answer.
func leaderTerm(ctx context.Context, l *lab.Lab, name string) (term string) {
	ctx, cancel := deadline.Fair(ctx, termTimeout)
	defer cancel()
	server, err := l.Node(name)
	if err != nil {
		return ""
	}
	client, err := server.API()
	if err != nil {
		return ""
	}
	var self api.AgentSelf
	_, err = client.Raw().Query("/v1/agent/self", &self, new(api.QueryOptions).WithContext(ctx))
	if raft := self.Stats["raft"]; err == nil && raft["state"] == "Leader" {
		return raft["term"]
	}
	return ""
}

// MakeLeader transfers leadership of its region to the server, and waits until it leads. It is for clusters that are
// thrown away.
func MakeLeader(ctx context.Context, l *lab.Lab, name string) error {
	server, err := l.Node(name)
	if err != nil {
		return err
	}
	return poll.Until(ctx, name+" to lead", func(ctx context.Context) string {
		leader, err := l.Leader(ctx, "")
		switch {
		case err != nil:
			return err.Error()
		case leader.Name() == name:
			return ""
		}
		if err := transfer(ctx, leader, server); err != nil {
			return err.Error()
		}
		return leader.Name() + " led, and was asked to hand over"
	})
}

// transfer asks the leader to transfer leadership to another server.
func transfer(ctx context.Context, leader, to *lab.Node) error {
	client, servers, err := raftServers(ctx, leader)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(servers, func(s *api.RaftServer) bool { return strings.HasPrefix(s.Address, to.Address().String()+":") })
	if at < 0 {
		return fmt.Errorf("%s is none of Raft's servers yet", to.Name())
	}
	if err := client.Operator().RaftTransferLeadershipByID(servers[at].ID, new(api.WriteOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("move leadership to %s: %w", to.Name(), err)
	}
	return nil
}

// eachServer calls do for each server, with a client of its API, until an error.
func eachServer(l *lab.Lab, do func(*lab.Node, *api.Client) error) error {
	for _, n := range l.Servers() {
		client, err := n.API()
		if err != nil {
			return err
		}
		if err := do(n, client); err != nil {
			return err
		}
	}
	return nil
}
