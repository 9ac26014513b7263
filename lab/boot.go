package lab

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
)

// getNomad finds, pulls or builds the Nomad that the lab runs.
func (l *Lab) getNomad(ctx context.Context, tell func(Event)) error {
	n := l.record.Spec.Nomad
	got, err := image.ResolveAt(ctx, l.engine.DockerHost(), image.Request{
		Version: n.Version, Image: n.Image, Binary: n.Binary, Environment: []string{marker(l.record.Run)},
	}, func(e image.Event) { tell(Event{Stage: "image", Text: e.Text}) })
	if err != nil {
		return err
	}
	l.record.Image, l.record.Version = got.Ref, got.Version
	tell(Event{Stage: "image", Text: fmt.Sprintf("Nomad %s from %s", got.Version, got.Ref), Done: true})
	return nil
}

// lay makes what the nodes stand on: the plan, the network, the authority, the folder's files.
func (l *Lab) lay(ctx context.Context, o UpOptions) (secrets, error) {
	plan, err := l.makeNetwork(ctx, o)
	if err != nil {
		return secrets{}, err
	}
	l.record.Plan = plan
	for _, n := range plan.Nodes {
		l.nodes = append(l.nodes, &Node{lab: l, plan: n})
	}
	s, err := newSecrets(plan)
	if err != nil {
		return secrets{}, err
	}
	l.authority = s.authority
	cli, err := s.authority.Issue(pki.Identity{Role: pki.CLI, Region: plan.Nodes[0].Region})
	if err != nil {
		return secrets{}, fmt.Errorf("certificate of the lab's user: %w", err)
	}
	l.cli = &cli
	err = errors.Join(s.authority.Save(l.folder.tls()), l.cli.Save(l.folder.tls()), l.folder.write(l.record))
	return s, err
}

// makeNetwork plans again when another lab was faster to take the subnet.
func (l *Lab) makeNetwork(ctx context.Context, o UpOptions) (Plan, error) {
	for {
		plan, err := PlanOn(ctx, l.engine, l.record.Spec)
		if err != nil {
			return Plan{}, err
		}
		err = l.engine.CreateNetwork(ctx, engine.Network{Lab: plan.Name, Subnet: plan.Subnet, Labels: l.labels(o)})
		if errors.Is(err, engine.ErrSubnetTaken) && l.record.Spec.Subnet == "" && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return Plan{}, err
		}
		o.tell(Event{Stage: "network", Text: "network " + plan.Subnet.String(), Done: true})
		return plan, nil
	}
}

// boot starts all servers side by side, for they need each other to elect a leader, and makes everything else ready in
// the meantime. A client that starts before there is a leader tries again only after 15 to 30 s, so it waits for one.
func (l *Lab) boot(ctx context.Context, s secrets, o UpOptions) error {
	servers := counted(len(l.Servers()), "server")
	if err := o.stage("servers", "starting "+servers, servers+" started", func() error {
		return each(ctx, l.Servers(), func(ctx context.Context, n *Node) error {
			if err := l.create(ctx, n, s, o); err != nil {
				return err
			}
			return n.Start(ctx)
		})
	}); err != nil {
		return err
	}
	g, waiting := errgroup.WithContext(ctx)
	g.Go(func() error {
		return each(waiting, l.others(), func(ctx context.Context, n *Node) error { return l.create(ctx, n, s, o) })
	})
	if o.Wait != Started {
		g.Go(func() error {
			return o.stage("leader", "waiting for a leader", "a leader is elected", func() error { return l.WaitLeader(waiting) })
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return l.bootClients(ctx, o)
}

// bootClients starts the clients, and waits for as much as the user asked for.
func (l *Lab) bootClients(ctx context.Context, o UpOptions) error {
	if len(l.Clients()) > 0 {
		clients := counted(len(l.Clients()), "client")
		if err := o.stage("clients", "starting "+clients, clients+" started", func() error {
			return each(ctx, l.Clients(), func(ctx context.Context, n *Node) error { return n.Start(ctx) })
		}); err != nil {
			return err
		}
	}
	if o.Wait == Elected || o.Wait == Started {
		return nil
	}
	return o.stage("ready", "waiting until the cluster is ready", "the cluster is ready", func() error { return l.WaitReady(ctx) })
}

// others are the nodes that Up creates but does not start with the servers.
func (l *Lab) others() []*Node {
	var out []*Node
	for _, n := range l.nodes {
		if n.plan.Joiner || n.plan.Role == pki.Client {
			out = append(out, n)
		}
	}
	return out
}

func (l *Lab) create(ctx context.Context, n *Node, s secrets, o UpOptions) error {
	files, err := s.files(n.plan)
	if err != nil {
		return err
	}
	labels := l.labels(o)
	labels["role"], labels["region"] = string(n.plan.Role), n.plan.Region
	if n.plan.Joiner {
		labels[labelJoiner] = "true"
	}
	return l.engine.Create(ctx, engine.Node{
		Ref: n.ref(), Image: l.record.Image, Command: n.plan.Command, Environment: n.plan.Environment, User: user(n.plan.User),
		Address: n.plan.Address, Aliases: n.plan.Aliases, Ports: n.plan.Ports, Files: files, Labels: labels,
	})
}

// each does something with all nodes side by side and returns the first error.
func each(ctx context.Context, nodes []*Node, do func(context.Context, *Node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		g.Go(func() error { return do(ctx, n) })
	}
	return g.Wait()
}
