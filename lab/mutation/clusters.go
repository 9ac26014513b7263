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

// Clusters brings up the clusters of packs.
type Clusters struct {
	// Engine is where they run. Others are further engines of this machine: the names of their labs are taken too.
	Engine engine.Engine
	Others []engine.Engine
	// Spec is a sound cluster; how many agents it has is the pack's to say.
	Spec spec.Spec
	// Up says how long a start may take, and what is told of it. What is waited for is the pack's to say.
	Up lab.UpOptions
	// Timed is told how long each cluster took, when it is gone. Nil is fine.
	Timed func(Pack, Times)
}

// Carry brings the pack's cluster up, has its agents carry the mutations, calls look, and removes the cluster, whatever comes
// of it. Where the mutations take turns look is called once for each, with a pack of that one alone, and else once.
func (c Clusters) Carry(ctx context.Context, p Pack, check func(context.Context, *lab.Lab, Pack) error) (err error) {
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
		return p.live(ctx, l, func() error { return check(ctx, l, p) })
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
		if err := one.live(ctx, l, func() error { return check(ctx, l, one) }); err != nil {
			return err
		}
	}
	return nil
}

// spec is the pack's cluster.
func (c Clusters) spec(p Pack) spec.Spec {
	s := c.Spec.With(spec.Servers(p.Servers), spec.Clients(p.Clients))
	if p.QuickPolicies {
		s = s.With(QuickPolicies())
	}
	if p.Extra != "" {
		s = s.With(spec.ExtraNodes(spec.ExtraNode{Name: p.Extra, Role: p.ExtraRole}))
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

// settle returns when the cluster is as it is to be looked at.
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
			return probe.SignOfLife(ctx, agent, probe.PlaneHTTP).Err
		}); err != nil {
			return err
		}
	}
	if p.Extra != "" && len(p.Placed[0].Mutation.Checks) == 0 { // it is let in
		return joined(ctx, l, p.Extra)
	}
	return nil
}

// joined returns when the extra server has a vote.
func joined(ctx context.Context, l *lab.Lab, name string) error {
	extra, err := l.Node(name)
	if err != nil {
		return err
	}
	return poll.Until(ctx, name+" to have a vote", func(ctx context.Context) string {
		voters, err := voters(ctx, l)
		switch {
		case err != nil:
			return err.Error()
		case !slices.Contains(voters, extra.Advertised().String()):
			return "the voters are " + strings.Join(voters, ", ")
		default:
			return ""
		}
	})
}

// voters are the addresses of Raft's voters.
func voters(ctx context.Context, l *lab.Lab) ([]string, error) {
	client, err := l.Servers()[0].API()
	if err != nil {
		return nil, err
	}
	raft, err := client.Operator().RaftGetConfiguration(new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("ask for Raft's configuration: %w", err)
	}
	var all []string
	for _, s := range raft.Servers {
		if s.Voter {
			all = append(all, s.Address)
		}
	}
	return all, nil
}

// live does what is done to the running cluster, looks, and takes it back.
func (p Pack) live(ctx context.Context, l *lab.Lab, check func() error) (err error) {
	for _, placed := range p.Placed {
		change := placed.Mutation.Live
		if change == nil {
			continue
		}
		if err := withDeadline(ctx, l, change.Do); err != nil {
			return fmt.Errorf("%s: %w", placed.Mutation.ID, err)
		}
		if change.Undo != nil {
			defer func() {
				if undone := withDeadline(ctx, l, change.Undo); undone != nil {
					err = errors.Join(err, fmt.Errorf("take back %s: %w", placed.Mutation.ID, undone))
				}
			}()
		}
	}
	return check()
}

// carriedOut does something to a running cluster, and gives it up where it hangs.
func withDeadline(ctx context.Context, l *lab.Lab, do func(context.Context, *lab.Lab) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline.Hang)
	defer cancel()
	return do(ctx, l)
}

// Inspect says which checks the pack's cluster is tried with.
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

// looks is how often a pack's cluster is looked at anew because another server has got leadership meanwhile.
const attempts = 4

// Look carries out the checks while the pack's sound server leads, if the pack has it lead: a server that carries a mutation is not
// to decide for the others. A leader on a busy machine may lose its lease, and then everything is looked at once more.
func (p Pack) Check(ctx context.Context, l *lab.Lab, o inspect.Options) (finding.Report, error) {
	if p.Lead == "" {
		return inspect.Lab(ctx, l, o)
	}
	for range attempts {
		began := reign(ctx, l, p.Lead)
		if began == "" {
			if err := MakeLeader(ctx, l, p.Lead); err != nil {
				return finding.Report{}, err
			}
			began = reign(ctx, l, p.Lead)
		}
		r, err := inspect.Lab(ctx, l, o)
		if err != nil || began != "" && reign(ctx, l, p.Lead) == began {
			return r, err
		}
	}
	return finding.Report{}, fmt.Errorf("%s: %s lost leadership each of %d times while the checks were carried out", p.Name, p.Lead, attempts)
}

// questionWait is how long the server may take to say whether it leads: see deadline.Fair.
const questionWait = 5 * time.Second

// reign is Raft's term in which the server leads; empty where it does not lead, or does not say so.
func reign(ctx context.Context, l *lab.Lab, name string) (term string) {
	ctx, cancel := deadline.Fair(ctx, questionWait)
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

// Lead has the server lead its region. Leadership is moved in a cluster that is thrown away, and in no other.
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

// transfer asks the leader to hand over to another server.
func transfer(ctx context.Context, leader, to *lab.Node) error {
	client, err := leader.API()
	if err != nil {
		return err
	}
	raft, err := client.Operator().RaftGetConfiguration(new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return fmt.Errorf("ask for Raft's configuration: %w", err)
	}
	for _, s := range raft.Servers {
		if strings.HasPrefix(s.Address, to.Address().String()+":") {
			if err := client.Operator().RaftTransferLeadershipByID(s.ID, new(api.WriteOptions).WithContext(ctx)); err != nil {
				return fmt.Errorf("move leadership to %s: %w", to.Name(), err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is none of Raft's servers yet", to.Name())
}
