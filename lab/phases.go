package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/spec"
)

// The phases of a start, in this order. Each is the Stage of its events.
const (
	// PhaseReserve removes what is left of earlier labs, and reserves the lab's name.
	PhaseReserve = "reserve"
	// PhaseWatch starts the watchdog, before there is anything that it would have to remove.
	PhaseWatch = "watch"
	// PhasePlan finds out whether there can be a plan: getting Nomad may take minutes.
	PhasePlan = "plan"
	// PhaseNomad finds, pulls or builds the Nomad that the lab runs.
	PhaseNomad = "nomad"
	// PhaseNetwork plans the lab, and makes its network in a free subnet.
	PhaseNetwork = "network"
	// PhaseIssue makes the lab's authority, keys and tokens, and has Nomad look at a user's configuration.
	PhaseIssue = "issue"
	// PhaseServers creates and starts all servers.
	PhaseServers = "servers"
	// PhaseLeader waits until the servers have elected a leader, while the clients are created.
	PhaseLeader = "leader"
	// PhaseACL bootstraps the ACL system of a hardened lab, between the election and the creation of the clients.
	PhaseACL = "acl"
	// PhaseClients starts the clients.
	PhaseClients = "clients"
	// PhaseReady waits until the lab is what the caller asked to wait for.
	PhaseReady = "ready"
	// PhaseVerify asks the agents of a lab on this machine's loopback what they really run.
	PhaseVerify = "verify"
)

// Phases returns the phases of a start in their order. Some say nothing, and a lab without ACLs or clients lacks theirs.
func Phases() []string {
	var names []string
	for _, p := range (&start{lab: &Lab{}}).phases() {
		names = append(names, p.names...)
	}
	return names
}

// start is one start of a lab.
type start struct {
	lab     *Lab
	options UpOptions
	name    *state.Reservation
	secrets secrets
}

// phase is a step of a start. It has several names where what they stand for is done side by side.
type phase struct {
	names []string
	run   func(context.Context) error
	// from is what ends this phase and all behind it early. Nil: no more than what ends those before.
	from func(context.Context) (context.Context, func())
}

// phases are the one list of what a start does. Time counts once Nomad is there; from the servers on, the end of a node that was
// started ends all waiting.
func (s *start) phases() []phase {
	return []phase{
		{names: []string{PhaseReserve}, run: s.reserve},
		{names: []string{PhaseWatch}, run: s.watch},
		{names: []string{PhasePlan}, run: s.plan},
		{names: []string{PhaseNomad}, run: s.getNomad},
		{names: []string{PhaseNetwork}, run: s.network, from: s.timeout},
		{names: []string{PhaseIssue}, run: s.issue},
		{names: []string{PhaseServers}, run: s.startServers, from: s.lab.watchDeaths},
		{names: []string{PhaseLeader, PhaseACL}, run: s.elect},
		{names: []string{PhaseClients}, run: s.startClients},
		{names: []string{PhaseReady}, run: s.awaitReady},
		{names: []string{PhaseVerify}, run: s.lab.refuseExposed},
	}
}

// carryOut carries out the phases in their order, up to the first error.
func carryOut(ctx context.Context, phases []phase) error {
	if len(phases) == 0 {
		return nil
	}
	first := phases[0]
	if first.from != nil {
		bounded, end := first.from(ctx)
		defer end()
		ctx = bounded
	}
	if err := first.run(ctx); err != nil {
		return err
	}
	return carryOut(ctx, phases[1:])
}

// timeout bounds all that comes once Nomad is there.
func (s *start) timeout(ctx context.Context) (context.Context, func()) {
	timeout := cmp.Or(s.options.Timeout, deadline.Start)
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the lab was not up within %s", timeout))
}

func (s *start) reserve(ctx context.Context) error {
	engines, tell := s.options.all(s.lab.engine), s.options.tell
	if err := tidy(ctx, engines, tell); err != nil {
		return err
	}
	var err error
	s.name, err = claim(ctx, engines, s.lab.Name(), tell)
	s.lab.record.Created = time.Now().Truncate(time.Second) // there may have been a wait
	return err
}

func (s *start) watch(ctx context.Context) error {
	if err := s.lab.watch(ctx); err != nil {
		return err
	}
	owner, err := s.lab.folder.Make()
	if err != nil {
		return err
	}
	s.lab.owner = owner
	return nil
}

func (s *start) plan(ctx context.Context) error {
	_, err := planOn(ctx, s.lab.engine, s.lab.record.Spec, s.lab.record.Run)
	return err
}

func (s *start) getNomad(ctx context.Context) error { return s.lab.getNomad(ctx, s.options.tell) }

func (s *start) network(ctx context.Context) error {
	planned, err := s.lab.makeNetwork(ctx, s.options)
	if err != nil {
		return err
	}
	s.lab.record.Plan = planned
	return nil
}

func (s *start) issue(ctx context.Context) error {
	var err error
	if s.secrets, err = s.lab.issue(); err != nil {
		return err
	}
	if err := s.lab.accept(ctx); err != nil {
		return err
	}
	if s.options.Begun != nil {
		s.options.Begun(s.lab)
	}
	return nil
}

// issue makes what is secret of the lab, and writes down what a later Open needs.
func (l *Lab) issue() (secrets, error) {
	planned := l.record.Plan
	made, err := newSecrets(planned, l.record.Spec.Configuration)
	if err != nil {
		return secrets{}, err
	}
	l.authority, l.foreign = made.authority, made.foreign
	switch {
	case planned.Configured && planned.GossipKey != "":
		l.gossip = new(string(planned.GossipKey))
	case !planned.Configured && planned.EncryptsGossip():
		l.gossip = new(made.gossip[spec.LabKey])
	}
	cli, err := made.cli(l.cliIdentity())
	if err != nil {
		return secrets{}, fmt.Errorf("certificate of the lab's user: %w", err)
	}
	l.cli = &cli
	for _, n := range planned.Nodes {
		l.nodes = append(l.nodes, &Node{lab: l, plan: n})
	}
	return made, errors.Join(l.saveKeys(), l.makeToken(), l.folder.Write(l.record))
}

// startServers starts all servers side by side, for they need each other to elect a leader.
func (s *start) startServers(ctx context.Context) error {
	servers := counted(len(s.lab.Servers()), "server")
	return s.options.stage(PhaseServers, "starting "+servers, servers+" started", func() error {
		return each(ctx, s.lab.Servers(), func(ctx context.Context, n *Node) error {
			if err := s.lab.create(ctx, n, s.secrets, s.options); err != nil {
				return err
			}
			return n.Start(ctx)
		})
	})
}

// elect waits for a leader, and makes everything else ready in the meantime. Clients wait for a leader that has made its root
// key, a tenth of a second after its election. A server would hold a client's registration until there is a leader, but then
// refuse it for want of that key ("keyring has not been initialized yet"), and the client would try again only after 15 to 30 s
// (client/client.go:2104; verified). The start of a container takes several times as long as that key, so there the leader
// suffices.
func (s *start) elect(ctx context.Context) error {
	l, o := s.lab, s.options
	g, waiting := errgroup.WithContext(ctx)
	elected := func() error {
		return l.await(waiting, o, PhaseLeader, "waiting for a leader", "a leader is elected", l.waitElected)
	}
	establish := func() error {
		return l.patiently(waiting, o, func(ctx context.Context) error { return l.establish(ctx, s.secrets, o) })
	}
	others := func() error {
		return each(waiting, l.others(), func(ctx context.Context, n *Node) error { return l.create(ctx, n, s.secrets, o) })
	}
	switch {
	case l.record.Plan.Bootstrapped(): // which makes what the clients are introduced with
		g.Go(func() error { return inTurn(elected, establish, others) })
	case o.Wait == Started:
		g.Go(others)
	default:
		g.Go(others)
		g.Go(elected)
	}
	return g.Wait()
}

func (s *start) startClients(ctx context.Context) error {
	if len(s.lab.Clients()) == 0 {
		return nil
	}
	clients := counted(len(s.lab.Clients()), "client")
	return s.options.stage(PhaseClients, "starting "+clients, clients+" started", func() error {
		return each(ctx, s.lab.Clients(), func(ctx context.Context, n *Node) error { return n.Start(ctx) })
	})
}

// awaitReady waits for as much as the caller asked for.
func (s *start) awaitReady(ctx context.Context) error {
	switch s.options.Wait {
	case Started:
		return nil
	case Elected:
		return s.lab.WaitLeader(ctx)
	default:
		return s.lab.await(ctx, s.options, PhaseReady, "waiting until the cluster is ready", "the cluster is ready", s.lab.WaitReady)
	}
}
