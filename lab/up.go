package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/watchdog"
)

// Wait says what Up waits for before it returns.
type Wait string

// What Up can wait for.
const (
	// Ready is a leader, every server a voter, every client ready, every agent healthy. It is the zero value's meaning.
	Ready Wait = "ready"
	// Elected is a leader; clients are started, and get ready by themselves.
	Elected Wait = "leader"
	// Started is only that every agent was started. Clients that find no leader try again after 15 to 30 s.
	Started Wait = "none"
)

// UpOptions say how to bring a lab up, not what it is. The zero value waits until the lab is ready.
type UpOptions struct {
	// Wait says what to wait for. Zero: Ready.
	Wait Wait
	// Timeout bounds the start once the image is there. Zero: two minutes.
	Timeout time.Duration
	// Expires is when the next start on this machine may remove the lab, should nobody have done so. Zero: never.
	Expires time.Time
	// Progress is told what happens. Nil is fine.
	Progress func(Event)
}

// Event is one line of progress.
type Event struct {
	// Stage is what is being done: "claim", "image", "network", "servers", "leader", "clients", "ready".
	Stage string
	// Text says it in words.
	Text string
	// Done is true when the stage has ended.
	Done bool
}

// StartError is returned when a lab did not come up. What was there of it has been removed.
type StartError struct {
	Lab string
	// Evidence is the folder that has each node's log and configuration. Empty when no node was started.
	Evidence string
	Err      error
}

func (e *StartError) Error() string {
	text := fmt.Sprintf("lab %s did not come up: %v", e.Lab, e.Err)
	if e.Evidence != "" {
		text += "\nlogs and configuration of every node: " + e.Evidence
	}
	return text
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Up brings up the lab that the Spec asks for. The lab is removed when this process dies, until Lab.Keep says that it
// is to stay. It returns an error that wraps ErrInvalid, with nothing started, for a Spec that cannot be; a *StartError,
// with everything removed and the evidence kept, for a lab that did not come up.
func Up(ctx context.Context, e engine.Engine, s Spec, o UpOptions) (*Lab, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	if err := sweepExpired(ctx, e); err != nil {
		return nil, err
	}
	name, err := claim(ctx, e, s.Name, o.tell)
	if err != nil {
		return nil, err
	}
	defer name.release()
	l := newLab(e, s)
	if err := l.bringUp(ctx, o); err != nil {
		return nil, l.giveUp(ctx, err)
	}
	return l, nil
}

func newLab(e engine.Engine, s Spec) *Lab {
	run := newRun()
	return &Lab{
		engine: e, folder: folderOf(s.Name, run),
		record: record{Run: run, Spec: s, Plan: Plan{Name: s.Name}, Engine: e.Name(), Created: time.Now().Truncate(time.Second)},
	}
}

// newRun is a name for one run of a lab.
func newRun() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return hex.EncodeToString(random)
}

func (l *Lab) bringUp(ctx context.Context, o UpOptions) error {
	if err := l.watch(ctx); err != nil {
		return err
	}
	if err := l.folder.make(); err != nil {
		return err
	}
	if err := l.getNomad(ctx, o.tell); err != nil {
		return err
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the lab was not up within %s", timeout))
	defer cancel()
	secrets, err := l.lay(ctx, o)
	if err != nil {
		return err
	}
	if err := l.boot(ctx, secrets, o); err != nil {
		return err
	}
	return l.folder.started()
}

// giveUp removes what there is of a lab that did not come up, and keeps the evidence. The caller's context may have
// ended, and may be why.
func (l *Lab) giveUp(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	failed := &StartError{Lab: l.Name(), Err: cause}
	interrupted := errors.Is(cause, context.Canceled)
	if len(l.nodes) > 0 && !interrupted {
		if at, err := l.Evidence(ctx, cause); err == nil {
			failed.Evidence = at
		}
	}
	failed.Err = errors.Join(cause, l.Down(ctx))
	if errors.Is(cause, ErrInvalid) || errors.Is(cause, image.ErrUnknownVersion) {
		return failed.Err
	}
	return failed
}

// watch starts the watchdog: from here on, whatever this process makes goes when it dies.
func (l *Lab) watch(ctx context.Context) error {
	guard, err := watchdog.Start(ctx, l.target(l.folder.path))
	if err != nil {
		return fmt.Errorf("start the watchdog of lab %s: %w", l.Name(), err)
	}
	l.guard = guard
	return nil
}

// target is what this run of the lab has, and no other.
func (l *Lab) target(folders ...string) watchdog.Target {
	f := l.engine.Footprint(labelRun, l.record.Run)
	return watchdog.Target{DockerHost: f.DockerHost, Label: f.Label, Marker: marker(l.record.Run), Folders: folders}
}

// marker is in the environment of the processes that are started for a lab.
func marker(run string) string { return "NOMADLAB_RUN=" + run }

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
	o.tell(Event{Stage: "servers", Text: fmt.Sprintf("starting %d servers", len(l.Servers()))})
	if err := each(ctx, l.Servers(), func(ctx context.Context, n *Node) error {
		return errors.Join(l.create(ctx, n, s, o), n.Start(ctx))
	}); err != nil {
		return err
	}
	o.tell(Event{Stage: "servers", Text: fmt.Sprintf("%d servers started", len(l.Servers())), Done: true})
	g, waiting := errgroup.WithContext(ctx)
	g.Go(func() error {
		return each(waiting, l.others(), func(ctx context.Context, n *Node) error { return l.create(ctx, n, s, o) })
	})
	if o.Wait != Started {
		o.tell(Event{Stage: "leader", Text: "waiting for a leader"})
		g.Go(func() error { return l.WaitLeader(waiting) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if o.Wait != Started {
		o.tell(Event{Stage: "leader", Text: "a leader is elected", Done: true})
	}
	o.tell(Event{Stage: "clients", Text: fmt.Sprintf("starting %d clients", len(l.Clients()))})
	if err := each(ctx, l.Clients(), func(ctx context.Context, n *Node) error { return n.Start(ctx) }); err != nil {
		return err
	}
	o.tell(Event{Stage: "clients", Text: fmt.Sprintf("%d clients started", len(l.Clients())), Done: true})
	if o.Wait == Elected || o.Wait == Started {
		return nil
	}
	o.tell(Event{Stage: "ready", Text: "waiting until the cluster is ready"})
	if err := l.WaitReady(ctx); err != nil {
		return err
	}
	o.tell(Event{Stage: "ready", Text: "the cluster is ready", Done: true})
	return nil
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

func (o UpOptions) tell(e Event) {
	if o.Progress != nil {
		o.Progress(e)
	}
}

const (
	// labelRun tells one run of a lab from others.
	labelRun = "run"
	// labelExpires is when a lab that nobody removed may be swept.
	labelExpires = "expires"
	// labelVersion and labelCreated tell about a lab whose folder was lost.
	labelVersion, labelCreated = "nomad-version", "created"
)

// labels are on everything that the lab has in the engine.
func (l *Lab) labels(o UpOptions) map[string]string {
	labels := map[string]string{
		labelRun: l.record.Run, labelVersion: l.record.Version, labelCreated: l.record.Created.UTC().Format(time.RFC3339),
	}
	if !o.Expires.IsZero() {
		labels[labelExpires] = o.Expires.UTC().Format(time.RFC3339)
	}
	return labels
}

// sweepExpired removes labs whose time is over: those of a machine that lost power in the middle of a test, say.
func sweepExpired(ctx context.Context, e engine.Engine) error {
	labs, err := e.Labs(ctx)
	if err != nil {
		return err
	}
	for name, states := range labs {
		if len(states) == 0 {
			continue
		}
		until, err := time.Parse(time.RFC3339, states[0].Labels[labelExpires])
		if err != nil || time.Now().Before(until) {
			continue
		}
		if err := Remove(ctx, e, name); err != nil {
			return fmt.Errorf("sweep lab %s, which expired at %s: %w", name, until, err)
		}
	}
	return nil
}
