package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// The phases of a start, in this order. Each is the Phase of its events.
const (
	// phaseReserve removes what is left of earlier labs, and reserves the lab's name.
	phaseReserve = "reserve"
	// phaseWatch starts the watchdog, before there is anything that it would have to remove.
	phaseWatch = "watch"
	// phasePlan checks that the lab can be planned, before phaseNomad, which may take minutes.
	phasePlan = "plan"
	// phaseNomad finds, pulls or builds the Nomad that the lab runs, and the further programs that it needs.
	phaseNomad = "nomad"
	// phaseNetwork plans the lab, and makes its network in a free subnet.
	phaseNetwork = "network"
	// phaseIssue makes the lab's authority, keys and tokens, and has Nomad validate a user's configuration.
	phaseIssue = "issue"
	// phaseServers creates and starts all servers.
	phaseServers = "servers"
	// phaseLeader waits until the servers have elected a leader, while the clients are created.
	phaseLeader = "leader"
	// phaseACL bootstraps the ACL system of a hardened lab, between the election and the creation of the clients.
	phaseACL = "acl"
	// phaseClients starts the clients.
	phaseClients = "clients"
	// phaseReady waits until the lab is in the state that UpOptions.Wait names.
	phaseReady = "ready"
	// phaseVerify asks the agents of a lab on this machine's loopback for their configuration; see refuseExposed.
	phaseVerify = "verify"
)

// start is one start of a lab.
type start struct {
	lab     *Lab
	options UpOptions
	name    *state.Reservation
	secrets secrets
	// parts and vault are those of a lab whose certificates a Vault server issues.
	parts vaultParts
	vault *vaultSecrets
	// programs are the Nomads that were found, by nameOf.
	programs map[string]program
}

// phase is a step of a start. It has two names if it does the work of two phases side by side.
type phase struct {
	names []string
	run   func(context.Context) error
	// bound returns the context of this phase and of all later ones. Nil: the context of the phase before.
	bound func(context.Context) (context.Context, func())
}

// phases returns the phases of a start in their order; a lab without ACLs or clients passes over theirs. The timeout counts
// from the network on. From the servers on, the end of a started node ends every wait.
func (s *start) phases() []phase {
	return []phase{
		{names: []string{phaseReserve}, run: s.reserve},
		{names: []string{phaseWatch}, run: s.watch},
		{names: []string{phasePlan}, run: s.plan},
		{names: []string{phaseNomad}, run: s.getNomad},
		{names: []string{phaseNetwork}, run: s.makeNetwork, bound: s.timeout},
		{names: []string{phaseIssue}, run: s.issue},
		{names: []string{phaseServers}, run: s.startServers, bound: s.untilNodeEnds},
		{names: []string{phaseLeader, phaseACL}, run: s.elect},
		{names: []string{phaseClients}, run: s.startClients},
		{names: []string{phaseReady}, run: s.awaitReady},
		{names: []string{phaseVerify}, run: s.refuseExposed},
	}
}

// carryOut runs the phases in their order, up to the first error.
func carryOut(ctx context.Context, phases []phase) error {
	if len(phases) == 0 {
		return nil
	}
	first := phases[0]
	if first.bound != nil {
		bounded, end := first.bound(ctx)
		defer end()
		ctx = bounded
	}
	if err := first.run(ctx); err != nil {
		return err
	}
	return carryOut(ctx, phases[1:])
}

// timeout bounds everything that comes after Nomad was found or built.
func (s *start) timeout(ctx context.Context) (context.Context, func()) {
	timeout := cmp.Or(s.options.Timeout, deadline.Start)
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the lab was not up within %s", timeout))
}

func (s *start) reserve(ctx context.Context) error {
	if err := removeExpired(ctx, s.options.engines(s.lab.engine), s.options); err != nil {
		return err
	}
	var err error
	s.name, err = reserveName(ctx, s.options.engines(s.lab.engine), s.lab.Name(), s.options)
	s.lab.record.Created = time.Now().Truncate(time.Second) // the reservation may have waited
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
	if err := checkFolder(s.lab.record.Spec.Authority); err != nil {
		return err
	}
	_, err := planOn(ctx, s.lab.engine, s.lab.record.Spec, s.lab.record.Run, nil)
	return err
}

// getNomad finds, pulls or builds the Nomads that the lab runs: its own, and those of nodes that run another.
func (s *start) getNomad(ctx context.Context) error {
	r := &s.lab.record
	wanted := r.Spec.Nomad
	own, err := s.resolve(ctx, wanted)
	if err != nil {
		return err
	}
	r.Image, r.Version = own.image, own.version
	s.options.reportDone(phaseNomad, fmt.Sprintf("Nomad %s from %s", r.Version, r.Image))
	for _, o := range wanted.Nodes {
		got, err := s.resolve(ctx, spec.Nomad{Version: o.Version, Image: o.Image, Binary: o.Binary})
		if err != nil {
			return err
		}
		s.options.reportDone(phaseNomad, fmt.Sprintf("Nomad %s from %s, for %s", got.version, got.image, cmp.Or(o.Node, string(o.Role)+"s")))
	}
	return s.getParts(ctx)
}

// program is a Nomad that was found: what nodes are made of, an image or the path of a binary, and its version.
type program struct{ image, version string }

// resolve finds, pulls or builds a Nomad, once.
func (s *start) resolve(ctx context.Context, n spec.Nomad) (program, error) {
	if found, known := s.programs[nameOf(n)]; known {
		return found, nil
	}
	request := image.Request{Version: n.Version, Image: n.Image, Binary: n.Binary, Environment: []string{marker(s.lab.record.Run)}}
	var found program
	if host := s.lab.engine.DockerHost(); host != "" {
		got, err := image.Resolve(ctx, host, request, s.building)
		if err != nil {
			return program{}, err
		}
		found = program{got.Ref, got.Version}
	} else {
		got, err := image.ResolveBinary(ctx, request, s.building)
		if err != nil {
			return program{}, err
		}
		found = program{got.Path, got.Version}
	}
	if s.programs == nil {
		s.programs = map[string]program{}
	}
	s.programs[nameOf(n)] = found
	return found, nil
}

// nameOf names a wanted Nomad: an image or a binary by itself, any other by its version.
func nameOf(n spec.Nomad) string { return cmp.Or(n.Image, n.Binary, n.Version) }

// versions returns the versions of the Nomads that were found, by the image or binary that the Spec names.
func (s *start) versions() map[string]string {
	out := map[string]string{}
	for name, found := range s.programs {
		out[name] = found.version
	}
	return out
}

// foundNomads returns the plan with what was found for the nodes that do not run the lab's Nomad.
func (s *start) foundNomads(p plan.Plan) plan.Plan {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if n.Nomad.IsZero() {
			continue
		}
		found := s.programs[nameOf(n.Nomad)]
		n.Nomad = spec.Nomad{Version: found.version, Binary: found.image}
		if s.lab.engine.DockerHost() != "" {
			n.Nomad = spec.Nomad{Version: found.version, Image: found.image}
		}
	}
	return p
}

// building reports the progress of finding, pulling or building a program.
func (s *start) building(e image.Event) {
	s.options.emit(Event{Phase: phaseNomad, Text: e.Text, Done: e.Stage == image.StageLicence})
}

// makeNetwork plans the lab and makes its network. It plans again, without the subnets that the engine has refused, when
// another lab has taken the subnet in between or the engine has networks that this host does not see.
func (s *start) makeNetwork(ctx context.Context) error {
	l := s.lab
	var refused []netip.Prefix
	for {
		planned, err := planOn(ctx, l.engine, l.record.Spec, l.record.Run, s.versions(), refused...)
		if err != nil {
			return err
		}
		planned = s.foundNomads(planned)
		l.record.Plan = planned
		err = l.engine.CreateNetwork(ctx, engine.Network{Lab: planned.Name, Run: l.record.Run, Subnet: planned.Subnet, Labels: s.labels()})
		switch {
		case errors.Is(err, engine.ErrSubnetTaken) && l.record.Spec.Subnet == "" && ctx.Err() == nil:
			refused = append(refused, planned.Subnet)
			continue
		case errors.Is(err, engine.ErrSubnetTaken):
			return fmt.Errorf("%w: %w: name another, or leave it out and a free one is found", plan.ErrSubnetInUse, err)
		case errors.Is(err, engine.ErrExists):
			return fmt.Errorf("%w: %w", taken(planned.Name), err)
		case err != nil:
			return err
		}
		s.options.reportDone(phaseNetwork, "network "+planned.Subnet.String())
		for _, left := range planned.LeftOut {
			if planned.UserConfiguration { // Nomad itself says what it does not know of that
				break
			}
			s.options.reportDone(phaseNetwork, left.String())
		}
		if planned.MayLackProtection() && !planned.UserConfiguration && !l.Contained() {
			s.options.reportDone(phaseNetwork, "this lab lacks a protection and is on this machine's loopback: its clients run no raw_exec tasks")
		}
		return nil
	}
}

// issue makes the secrets of the lab and writes down what a later Open needs. It then has Nomad validate a user's
// configuration.
func (s *start) issue(ctx context.Context) error {
	l, planned := s.lab, s.lab.record.Plan
	made, err := newSecrets(ctx, planned, l.record.Spec.Configuration, l.cliIdentity(), s.newSource)
	if err != nil {
		return err
	}
	made.vault = s.vault
	s.secrets, l.authority, l.foreign, l.root = made, made.signer(), made.foreign, made.root()
	switch {
	case planned.UserConfiguration && planned.GossipKey != "":
		l.gossip = new(string(planned.GossipKey))
	case !planned.UserConfiguration && planned.EncryptsGossip():
		l.gossip = new(made.gossip[spec.LabKey])
	}
	l.cli = &s.secrets.cli
	if planned.Authority.Folder() != "" {
		for _, n := range l.roleNodes() {
			l.brought = append(l.brought, made.credentials[n.Name])
		}
	}
	for _, n := range planned.Nodes {
		l.nodes = append(l.nodes, newNode(l, n))
	}
	if err := errors.Join(s.saveKeys(), l.makeToken(), l.folder.Write(l.record), l.validateConfiguration(ctx)); err != nil {
		return err
	}
	if s.options.Begun != nil {
		s.options.Begun(l)
	}
	return nil
}

// saveKeys writes the keys that a later Open needs. It writes none for a lab that runs a user's configuration: such a lab is
// never opened, and the keys may be the user's.
func (s *start) saveKeys() error {
	l := s.lab
	if l.record.Plan.UserConfiguration {
		return nil
	}
	err := l.cli.Save(l.folder.TLS())
	if l.authority != nil {
		err = errors.Join(err, l.authority.Save(l.folder.TLS()))
	}
	for _, c := range l.brought {
		err = errors.Join(err, c.Save(l.folder.Brought()))
	}
	if l.foreign != nil {
		err = errors.Join(err, l.foreign.Save(l.folder.Foreign()))
	}
	if l.root != nil {
		err = errors.Join(err, l.root.Save(l.folder.Root()))
	}
	if l.gossip != nil {
		err = errors.Join(err, l.folder.WriteGossip(*l.gossip))
	}
	return err
}

// startServers creates and starts all servers side by side: they need each other to elect a leader.
func (s *start) startServers(ctx context.Context) error {
	return s.startNodes(ctx, phaseServers, counted(len(s.lab.Servers()), "server"), s.lab.Servers(), s.create)
}

func (s *start) startClients(ctx context.Context) error {
	if len(s.lab.Clients()) == 0 {
		return nil
	}
	created := func(context.Context, *Node) error { return nil }
	return s.startNodes(ctx, phaseClients, counted(len(s.lab.Clients()), "client"), s.lab.Clients(), created)
}

// startNodes prepares and starts the nodes side by side. what names them in events.
func (s *start) startNodes(ctx context.Context, phase, what string, nodes []*Node, prepare func(context.Context, *Node) error) error {
	s.options.report(phase, "starting "+what)
	err := each(ctx, nodes, func(ctx context.Context, n *Node) error {
		if err := prepare(ctx, n); err != nil {
			return err
		}
		return n.Start(ctx)
	})
	if err == nil {
		s.options.reportDone(phase, what+" started")
	}
	return err
}

// elect waits for a leader, and meanwhile creates all nodes that are not started yet. Clients are started after the leader
// has made its root key, a tenth of a second after its election. Without that key a server refuses a client's registration
// ("keyring has not been initialized yet"), and the client tries again only after 15 to 30 s (client/client.go:2104;
// verified). A container takes longer than that to start, so there the leader suffices.
func (s *start) elect(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	elected := func() error {
		return s.await(ctx, phaseLeader, "waiting for a leader", "a leader is elected", s.lab.waitElected)
	}
	create := func() error {
		return each(ctx, s.lab.nodes, func(ctx context.Context, n *Node) error {
			if n.plan().Role == pki.Server && !n.plan().ExtraNode { // it was started already
				return nil
			}
			return s.create(ctx, n)
		})
	}
	switch {
	case s.lab.record.Plan.Bootstrapped(): // the files of clients have tokens that need the ACL system
		g.Go(func() error {
			if err := elected(); err != nil {
				return err
			}
			if err := s.withinReadyTimeout(ctx, s.bootstrapACL); err != nil {
				return err
			}
			return create()
		})
	case s.options.Wait == Started:
		g.Go(create)
	default:
		g.Go(create)
		g.Go(elected)
	}
	return g.Wait()
}

// awaitReady waits for what the options name.
func (s *start) awaitReady(ctx context.Context) error {
	switch s.options.Wait {
	case Started:
		return nil
	case Elected:
		return s.lab.WaitLeader(ctx)
	default:
		return s.await(ctx, phaseReady, "waiting until the cluster is ready", "the cluster is ready", s.lab.WaitReady)
	}
}

// create creates a node in the engine, with its files.
func (s *start) create(ctx context.Context, n *Node) error {
	n.certificate = s.secrets.credentials[n.Name()].CertPEM
	labels := s.labels()
	labels[state.LabelRole], labels[state.LabelRegion] = string(n.plan().Role), n.plan().Region
	if n.plan().ExtraNode {
		labels[state.LabelExtraNode] = "true"
	}
	labels[state.LabelVersion] = n.NomadVersion()
	return s.lab.engine.Create(ctx, engine.Node{
		Ref: n.ref(), Run: s.lab.record.Run, Image: n.image(), Command: n.plan().Command, Folder: n.plan().Folder, Environment: n.plan().Environment, User: user(n.plan().User),
		Address: n.plan().Address, Aliases: n.plan().Aliases, Ports: n.plan().Ports, Inside: n.plan().Inside,
		Files: s.secrets.files(*n.plan()), Labels: labels,
	})
}

// labels returns the labels of everything that the lab has in the engine.
func (s *start) labels() map[string]string {
	r, members := s.lab.record, 0
	for _, n := range r.Plan.Nodes {
		if !n.ExtraNode {
			members++
		}
	}
	labels := map[string]string{
		state.LabelRun: r.Run, state.LabelVersion: r.Version, state.LabelCreated: r.Created.UTC().Format(time.RFC3339),
		state.LabelMembers: strconv.Itoa(members), state.LabelFolder: s.lab.folder.Path,
	}
	if !s.options.Expires.IsZero() {
		labels[state.LabelExpires] = s.options.Expires.UTC().Format(time.RFC3339)
	}
	return labels
}

// each calls do for all nodes side by side and returns the first error.
func each(ctx context.Context, nodes []*Node, do func(context.Context, *Node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		g.Go(func() error { return do(ctx, n) })
	}
	return g.Wait()
}

// counted returns a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
