package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// ErrChanging is returned by BeginChange of a lab that another process or goroutine changes. It is an ErrInvalid.
const ErrChanging = spec.InputError("another change of the lab is under way")

// BeginChange reserves the lab for one change, such as a rollout: two at once would write over each other's files. Call end after it.
// It returns ErrChanging while another change has not ended.
func (l *Lab) BeginChange() (end func() error, err error) {
	lock, ok, err := l.folder.LockChange()
	if err != nil {
		return nil, fmt.Errorf("reserve lab %s for a change: %w", l.Name(), err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: wait until the `nomadlab rotate` or `nomadlab upgrade` of lab %s has ended", ErrChanging, l.Name())
	}
	return lock.Close, nil
}

// Write writes files into the node, whether it runs or not, and replaces those that are there. The agent reads them at its next
// reload or restart. The files belong to the node's user, whatever their Owner says.
func (n *Node) Write(ctx context.Context, files ...engine.File) error {
	owned := slices.Clone(files)
	for i := range owned {
		owned[i].Owner = n.plan().User
	}
	return n.lab.engine.CopyIn(ctx, n.ref(), owned)
}

// ReadFile returns a file of the node; ok is false, without an error, if there is none.
func (n *Node) ReadFile(ctx context.Context, file string) (data []byte, ok bool, err error) {
	files, err := n.lab.engine.CopyOut(ctx, n.ref(), path.Dir(file))
	if errors.Is(err, engine.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, f := range files {
		if path.Base(f.Path) == path.Base(file) {
			return f.Data, true, nil
		}
	}
	return nil, false, nil
}

// ErrNotReady is returned by Reload for an agent that would not survive it.
var ErrNotReady = errors.New("the agent is not ready")

// Reload has the agent read its configuration and certificates again (SIGHUP). It returns when the signal is sent, which is
// before they are in use. It returns ErrNotReady, without a signal, for an agent that does not answer that it is healthy and
// never did since its start: SIGHUP before that ends an agent with exit code 129 (verified against Nomad 1.11.3). One that was
// healthy once takes a reload also without a leader, or with a certificate that has expired, which a reload replaces.
func (n *Node) Reload(ctx context.Context) error {
	if err := n.Healthy(ctx); err != nil && !n.wasReady.Load() {
		return fmt.Errorf("%w to be reloaded: %w", ErrNotReady, err)
	}
	return n.Signal(ctx)
}

// Signal sends the agent SIGHUP, ready or not.
func (n *Node) Signal(ctx context.Context) error { return n.lab.engine.Reload(ctx, n.ref()) }

// RestartAgent ends the agent and starts it again, as a service manager does: a client's tasks go on, unlike under Stop and
// Start, where they end as on a machine that is turned off. binary is the path on this machine of the nomad that the node runs
// from then on; empty: the one that it has. RestartAgent returns when the new agent was started, which is before it is ready,
// and returns an *EndedError for an agent that has ended already.
func (n *Node) RestartAgent(ctx context.Context, binary string) error {
	n.wasReady.Store(false)
	s, err := n.lab.engine.RestartProgram(ctx, n.ref(), engine.Restart{Grace: stopGrace, Binary: binary})
	if err != nil {
		return err
	}
	n.setState(s)
	n.forgetAPI() // the connections of the old one lead to the ended agent
	if !s.Running {
		return n.endedError(ctx, s)
	}
	return nil
}

// Ended returns an *EndedError if the agent does not run: no wait for its answers could succeed. It returns nil if it runs, or if
// the engine does not say.
func (n *Node) Ended(ctx context.Context) error {
	s, err := n.State(ctx)
	if err != nil || s.Running {
		return nil //nolint:nilerr // the wait goes on, and has an error of its own
	}
	return n.endedError(ctx, s)
}

// Healthy returns an error unless the agent answers that it is healthy.
func (n *Node) Healthy(ctx context.Context) error {
	err := n.get(ctx, "/v1/agent/health", new(api.AgentHealthResponse))
	if err == nil {
		n.wasReady.Store(true)
	}
	return err
}

// Revise changes what the lab knows of the node, in memory and in the lab's folder: call it when what the node runs has
// changed. change gets a copy, whose slices it must not write to.
func (n *Node) Revise(change func(*plan.Node)) error {
	p := *n.plan()
	change(&p)
	if p.Name != n.Name() {
		return fmt.Errorf("a node cannot change its name from %s to %s", n.Name(), p.Name)
	}
	n.planned.Store(&p)
	n.forgetAPI()
	return n.lab.rewrite(func(r *state.Record) {
		r.Plan.Nodes = slices.Clone(r.Plan.Nodes)
		for i := range r.Plan.Nodes {
			if r.Plan.Nodes[i].Name == p.Name {
				r.Plan.Nodes[i] = p
			}
		}
	})
}

// current returns the lab's record as it is now, which is not to be changed.
func (l *Lab) current() *state.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		return l.changed
	}
	return &l.record
}

// rewrite changes the lab's record, in memory and in its folder.
func (l *Lab) rewrite(change func(*state.Record)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.record
	if l.changed != nil {
		r = *l.changed
	}
	change(&r)
	l.changed = &r
	return l.folder.Write(r)
}

// Become sets what the lab as a whole is from now on: the Spec, and its plan without the nodes, which Revise changes one by one.
// Call it when the last node was changed.
func (l *Lab) Become(s spec.Spec, p plan.Plan) error {
	return l.rewrite(func(r *state.Record) {
		nodes := r.Plan.Nodes
		r.Spec, r.Plan = s, p
		r.Plan.Nodes = nodes
	})
}

// Nomad is a Nomad for the nodes of a running lab.
type Nomad struct {
	// Version is the version, such as 1.11.3.
	Version string
	// Binary is the program: a path on this machine that the lab's engine can start, or copy into its containers.
	Binary string
	// Image is the container image of the same version, for calls of the CLI. Empty: the lab's nodes are no containers.
	Image string
}

// From returns what has the Nomad: the image, or the binary.
func (n Nomad) From() string { return cmp.Or(n.Image, n.Binary) }

// FindNomad finds, pulls or builds a version of Nomad for the lab's nodes. It changes nothing in the lab. progress may be nil. The
// errors are those of image.ResolveFile.
func (l *Lab) FindNomad(ctx context.Context, version string, progress image.Progress) (Nomad, error) {
	host, request := l.engine.DockerHost(), image.Request{Version: version}
	program, err := image.ResolveFile(ctx, host, request, progress)
	if err != nil {
		return Nomad{}, err
	}
	found := Nomad{Version: program.Version, Binary: program.Path}
	if host == "" {
		return found, nil
	}
	made, err := image.Resolve(ctx, host, request, progress)
	found.Image = made.Ref
	return found, err
}

// SetNomad sets which Nomad the lab's agents run from now on.
func (l *Lab) SetNomad(n Nomad) error {
	return l.rewrite(func(r *state.Record) { r.Version, r.Image = n.Version, n.From() })
}

// Access is what the lab itself presents to its agents, and issues with. A nil field stays as it is.
type Access struct {
	CLI       *pki.Credential
	Authority *pki.Authority
	GossipKey *string
	Token     *string
}

// Adopt makes the lab use the access from now on, and writes it into the lab's folder, unless the lab runs a user's
// configuration. The next call of Node.API returns a new client.
func (l *Lab) Adopt(a Access) error {
	l.mu.Lock()
	if a.CLI != nil {
		l.cli = a.CLI
	}
	if a.Authority != nil {
		l.authority = a.Authority
	}
	if a.GossipKey != nil {
		l.gossip = a.GossipKey
	}
	if a.Token != nil {
		l.token = a.Token
	}
	l.mu.Unlock()
	for _, n := range l.nodes {
		n.forgetAPI()
	}
	if l.Plan().UserConfiguration {
		return nil
	}
	return l.saveAccess(a)
}

// saveAccess writes the access into the lab's folder. The certificate that is trusted comes from the cli credential: it is
// written last.
func (l *Lab) saveAccess(a Access) error {
	var errs []error
	if a.Authority != nil {
		errs = append(errs, a.Authority.Save(l.folder.TLS()))
	}
	if cli := l.Credential(); a.CLI != nil || a.Authority != nil {
		errs = append(errs, cli.Save(l.folder.TLS()))
	}
	if a.GossipKey != nil {
		errs = append(errs, l.folder.WriteGossip(*a.GossipKey))
	}
	if a.Token != nil {
		errs = append(errs, l.folder.WriteToken(*a.Token))
	}
	return errors.Join(errs...)
}

// Replan returns the plan of another Spec on the lab's own network: nodes have the names and addresses that they have. It
// changes nothing. It returns an *spec.InvalidError for an invalid Spec, and an error that wraps ErrInvalid for one with
// other nodes.
func (l *Lab) Replan(s spec.Spec) (plan.Plan, error) {
	s, err := evaluate(s)
	if err != nil {
		return plan.Plan{}, err
	}
	now := l.Plan()
	s.Name, s.Subnet = now.Name, now.Subnet.String()
	site := l.engine.Site()
	p, err := plan.New(s, plan.HostEnvironment{Pools: site.Pools, Folder: site.Of(l.record.Run), Versions: l.versions()})
	if err != nil {
		return plan.Plan{}, err
	}
	same := func(a, b plan.Node) bool {
		return a.Name == b.Name && a.Role == b.Role && a.Region == b.Region && a.Address == b.Address
	}
	if !slices.EqualFunc(now.Nodes, p.Nodes, same) {
		return plan.Plan{}, fmt.Errorf("%w: a running lab keeps its nodes, with their names, roles and regions: bring up another lab for others", spec.ErrInvalid)
	}
	return p, nil
}

// versions returns the versions of the lab's Nomad, and of its nodes', by the image or binary that the Spec or a node names.
func (l *Lab) versions() map[string]string {
	out := map[string]string{}
	own := l.Spec().Nomad
	out[cmp.Or(own.Image, own.Binary)] = l.NomadVersion()
	for _, n := range l.nodes {
		out[cmp.Or(n.plan().Nomad.Image, n.plan().Nomad.Binary)] = n.NomadVersion()
	}
	delete(out, "")
	return out
}

// Spec returns what the lab is to be: the Spec that it was made from, or that of the last Become.
func (l *Lab) Spec() spec.Spec { return l.current().Spec }

// FilesOf returns the files of a planned node with their contents, with that credential as its certificate, key and authority, and
// that gossip key. Introduction tokens are left out: the lab keeps none.
func (l *Lab) FilesOf(p plan.Node, c pki.Credential, gossip string) []engine.File {
	s := secrets{
		credentials: map[string]pki.Credential{p.Name: c}, gossip: map[spec.GossipKey]string{spec.LabKey: gossip}, foreign: l.foreign,
	}
	p.Files = slices.DeleteFunc(slices.Clone(p.Files), func(f plan.File) bool { return f.Secret == plan.IntroToken })
	return s.files(p)
}

// CredentialOf reads the certificate, the key and the trusted authorities of a node from its files. It returns an error that wraps
// fs.ErrNotExist for a node without them.
func (n *Node) CredentialOf(ctx context.Context) (pki.Credential, error) {
	c := pki.Credential{Identity: n.plan().Identity}
	into := map[plan.Secret]*[]byte{plan.CACertificate: &c.CAPEM, plan.Certificate: &c.CertPEM, plan.PrivateKey: &c.KeyPEM}
	for _, f := range n.plan().Files {
		target, is := into[f.Secret]
		if !is || len(f.Also) > 0 {
			continue
		}
		data, ok, err := n.ReadFile(ctx, f.Path)
		if err != nil {
			return pki.Credential{}, fmt.Errorf("read the certificate of %s: %w", n.ref(), err)
		}
		if ok {
			*target = data
		}
	}
	if c.CAPEM == nil || c.CertPEM == nil || c.KeyPEM == nil {
		return pki.Credential{}, fmt.Errorf("%s has no certificate, key and authority in files of their own: %w", n.ref(), fs.ErrNotExist)
	}
	return c, nil
}
