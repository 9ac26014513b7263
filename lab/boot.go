package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// getNomad finds, pulls or builds the Nomad that the lab runs.
func (l *Lab) getNomad(ctx context.Context, tell func(Event)) error {
	n := l.record.Spec.Nomad
	request := image.Request{Version: n.Version, Image: n.Image, Binary: n.Binary, Environment: []string{marker(l.record.Run)}}
	progress := func(e image.Event) { tell(Event{Stage: PhaseNomad, Text: e.Text}) }
	if host := l.engine.DockerHost(); host != "" {
		got, err := image.ResolveAt(ctx, host, request, progress)
		if err != nil {
			return err
		}
		l.record.Image, l.record.Version = got.Ref, got.Version
	} else {
		got, err := image.ResolveBinary(ctx, request, progress)
		if err != nil {
			return err
		}
		l.record.Image, l.record.Version = got.Path, got.Version
	}
	tell(Event{Stage: PhaseNomad, Text: fmt.Sprintf("Nomad %s from %s", l.record.Version, l.record.Image), Done: true})
	return nil
}

// saveKeys writes what a later Open needs. A lab that runs a user's configuration is opened by nobody, and what is secret
// of it may be the user's.
func (l *Lab) saveKeys() error {
	if l.record.Plan.Configured {
		return nil
	}
	err := errors.Join(l.authority.Save(l.folder.TLS()), l.cli.Save(l.folder.TLS()))
	if l.foreign != nil {
		err = errors.Join(err, l.foreign.Save(l.folder.Foreign()))
	}
	if l.gossip != nil {
		err = errors.Join(err, l.folder.WriteGossip(*l.gossip))
	}
	return err
}

// makeNetwork plans again when another lab was faster to take the subnet, without those that the engine has refused: it
// may know of networks that cannot be seen from here.
func (l *Lab) makeNetwork(ctx context.Context, o UpOptions) (plan.Plan, error) {
	var refused []netip.Prefix
	for {
		planned, err := planOn(ctx, l.engine, l.record.Spec, l.record.Run, refused...)
		if err != nil {
			return plan.Plan{}, err
		}
		err = l.engine.CreateNetwork(ctx, engine.Network{Lab: planned.Name, Run: l.record.Run, Subnet: planned.Subnet, Labels: l.labels(planned, o)})
		switch {
		case errors.Is(err, engine.ErrSubnetTaken) && l.record.Spec.Subnet == "" && ctx.Err() == nil:
			refused = append(refused, planned.Subnet)
			continue
		case errors.Is(err, engine.ErrSubnetTaken):
			return plan.Plan{}, fmt.Errorf("%w: %w: name another, or leave it out and a free one is found", plan.ErrSubnetInUse, err)
		case errors.Is(err, engine.ErrExists):
			return plan.Plan{}, fmt.Errorf("%w: %w", taken(planned.Name), err)
		case err != nil:
			return plan.Plan{}, err
		}
		o.tell(Event{Stage: PhaseNetwork, Text: "network " + planned.Subnet.String(), Done: true})
		if planned.WeakensTheLab() && !planned.Configured && !l.Contained() {
			o.tell(Event{Stage: PhaseNetwork, Text: "this lab is weakened and on this machine's loopback: its clients run no raw_exec tasks", Done: true})
		}
		return planned, nil
	}
}

// lookEvery is how often the engine is asked for nodes that have ended.
const lookEvery = 500 * time.Millisecond

// watchDeaths returns a context that ends as soon as a node that was started has ended: no wait would come to anything.
// The caller must stop it.
func (l *Lab) watchDeaths(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.awaitDeath(ctx); err != nil {
			cancel(err)
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// awaitDeath returns how a started node has ended, or nil when ctx has.
func (l *Lab) awaitDeath(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if n, s := l.dead(ctx); n != nil {
			return n.died(ctx, s)
		}
	}
}

// dead is a node that was started and has ended, if there is one.
func (l *Lab) dead(ctx context.Context) (*Node, engine.State) {
	// Who was started is looked at before what runs: one that is started in between would seem to have ended.
	started := slices.DeleteFunc(append(l.Servers(), l.Clients()...), func(n *Node) bool { return !n.HTTP().IsValid() })
	states, err := l.engine.Nodes(ctx, l.Name())
	if err != nil {
		return nil, engine.State{}
	}
	for _, n := range started {
		for _, s := range states {
			if s.Node == n.Name() && !s.Running {
				return n, s
			}
		}
	}
	return nil, engine.State{}
}

// await waits as long as the options say, and tells what came of it.
func (l *Lab) await(ctx context.Context, o UpOptions, stage, doing, done string, wait func(context.Context) error) error {
	o.tell(Event{Stage: stage, Text: doing})
	if err := l.patiently(ctx, o, wait); err != nil {
		return err
	}
	if l.unready != nil {
		done = "the cluster is not ready, and is looked at as it is: " + text(l.unready)
	}
	o.tell(Event{Stage: stage, Text: done, Done: true})
	return nil
}

// patienceShare: of what is waited for with patience most is Nomad's own waiting, as that of a client which was refused once, and
// this part of it is work, which takes longer on a busy machine.
const patienceShare = 5

// patiently waits for as long as the options say, and then lets the lab be as it is. Who has waited in vain once waits for
// nothing that comes later.
func (l *Lab) patiently(ctx context.Context, o UpOptions, wait func(context.Context) error) error {
	if o.ReadyTimeout == 0 {
		return wait(ctx)
	}
	if l.unready != nil {
		return nil
	}
	limited, cancel := deadline.FairAfter(ctx, o.ReadyTimeout-o.ReadyTimeout/patienceShare, o.ReadyTimeout/patienceShare)
	defer cancel()
	err := wait(limited)
	if err == nil || ctx.Err() != nil || limited.Err() == nil {
		return err
	}
	l.unready = err
	if words := l.lastErrors(ctx); len(words) > 0 {
		l.unready = fmt.Errorf("%w; %s", err, strings.Join(words, "; "))
	}
	return nil
}

// lastErrors is the last error in each agent's log, in words with its name; of agents that say the same, the first. An agent whose
// log cannot be read says nothing.
func (l *Lab) lastErrors(ctx context.Context) []string {
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	var words, said []string
	for _, n := range startedOf(l.nodes) {
		lines, err := n.Log().since(ctx, 0)
		if err != nil {
			continue
		}
		if last := lastError(lines); last != "" && !slices.Contains(said, last) {
			said = append(said, last)
			words = append(words, fmt.Sprintf("the log of %s says: %s", n.Name(), n.plan.InUsersWords(last)))
		}
	}
	return words
}

// lastError is the last line of an agent's log that tells of an error, without its time and level; empty where there is none.
func lastError(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if _, words, is := strings.Cut(line, "[ERROR] "); is {
			return strings.TrimSpace(words)
		}
	}
	return ""
}

// others are the nodes that Up creates but does not start with the servers.
func (l *Lab) others() []*Node {
	var out []*Node
	for _, n := range l.nodes {
		if n.plan.ExtraNode || n.plan.Role == pki.Client {
			out = append(out, n)
		}
	}
	return out
}

func (l *Lab) create(ctx context.Context, n *Node, s secrets, o UpOptions) error {
	credential, err := s.issue(n.plan)
	if err != nil {
		return err
	}
	n.certificate = credential.CertPEM
	labels := l.labels(l.record.Plan, o)
	labels[state.LabelRole], labels[state.LabelRegion] = string(n.plan.Role), n.plan.Region
	if n.plan.ExtraNode {
		labels[state.LabelExtraNode] = "true"
	}
	return l.engine.Create(ctx, engine.Node{
		Ref: n.ref(), Run: l.record.Run, Image: l.record.Image, Command: n.plan.Command, Environment: n.plan.Environment, User: user(n.plan.User),
		Address: n.plan.Address, Aliases: n.plan.Aliases, Ports: n.plan.Ports, Inside: n.plan.Inside, Files: s.files(n.plan, credential), Labels: labels,
	})
}

// inTurn does one after the other, up to the first error.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// each does something with all nodes side by side and returns the first error.
func each(ctx context.Context, nodes []*Node, do func(context.Context, *Node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		g.Go(func() error { return do(ctx, n) })
	}
	return g.Wait()
}
