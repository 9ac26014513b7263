// Package lab brings up real Nomad clusters: mutual TLS on HTTP and RPC, encrypted gossip, every node an agent of its
// own with its own address.
//
// A [spec.Spec] says what is wanted; [plan.New] turns it into a [plan.Plan], in which every node's name, address, identity,
// files and command are known before anything starts; [Up] carries the plan out on an engine and returns a [Lab] of
// live [Node] handles. The zero Spec is three servers and two clients.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// ErrNotFound is returned by Open for a lab that the engine does not know. It is an ErrInvalid.
const ErrNotFound = spec.InputError("no such lab")

// Lab is a live cluster. Build it with Up, or with Open for one that runs already.
type Lab struct {
	engine    engine.Engine
	folder    state.Folder
	record    state.Record
	authority *pki.Authority
	foreign   *pki.Authority
	// cli is a pointer so that printing a Lab cannot show its key: fmt calls no methods of unexported fields.
	cli *pki.Credential
	// gossip is a pointer for the same reason. Nil: the lab has no gossip key.
	gossip *string
	nodes  []*Node
	// unready is what was awaited in vain by a start that did not insist.
	unready error

	mu sync.Mutex
	// token is the secret of the management token, a pointer for the same reason. Nil: there is none.
	token *string
	// guard removes the lab when this process dies. Nil for a lab that stays.
	guard *watchdog.Watchdog
	// owner is held while the lab is to end with this process. Nil for a lab that stays.
	owner *flock.Flock
}

// Name is the lab's name.
func (l *Lab) Name() string { return l.record.Plan.Name }

// Plan is what the lab was made from.
func (l *Lab) Plan() plan.Plan { return l.record.Plan }

// NomadVersion is the version that the lab's agents run.
func (l *Lab) NomadVersion() string { return l.record.Version }

// Image is what the lab's nodes were started from: an image, or the path of a binary.
func (l *Lab) Image() string { return l.record.Image }

// Engine is the name of what the lab's nodes run on.
func (l *Lab) Engine() string { return l.record.Engine }

// Created is when the lab was brought up.
func (l *Lab) Created() time.Time { return l.record.Created }

// Plain is true for a lab that neither hardens nor weakens what the zero Spec gives, whatever its size.
func (l *Lab) Plain() bool {
	s, c := l.record.Spec, l.record.Spec.Certificates
	return s.Configuration == nil && !s.Hardened && len(s.Overrides)+len(c.Defects)+len(c.Roles)+len(c.Names)+len(c.TrustForeign) == 0
}

// Unready says what Up has waited for in vain, where UpOptions.Patience let it return the lab all the same. Nil: nothing.
func (l *Lab) ReadyErr() error { return l.unready }

// TLSFolder has the authority's certificate and the cli certificate and key, in files named as `nomad tls` names them.
func (l *Lab) TLSFolder() string { return l.folder.TLS() }

// Authority is what signs the lab's certificates. Checks let it sign wrong ones. Nil: they are a user's own, and it is not
// at hand.
func (l *Lab) Authority() *pki.Authority { return l.authority }

// ForeignAuthority is an authority that is not the lab's and that some of its agents trust all the same. Nil: none does.
func (l *Lab) ForeignAuthority() *pki.Authority { return l.foreign }

// Credential is the cli certificate that Node.API presents.
func (l *Lab) Credential() pki.Credential { return *l.cli }

// HandedIn are the credentials of the agents that a user has handed in. Nil: there are none.
func (l *Lab) HandedIn() []pki.Credential {
	var out []pki.Credential
	if c := l.record.Spec.Configuration; c != nil {
		for _, agents := range []spec.AgentConfiguration{c.Server, c.Client} {
			if agents.Credential != nil {
				out = append(out, *agents.Credential)
			}
		}
	}
	return out
}

// HandedInCLI is the credential of a person that a user has handed in with those of the agents. Nil: there is none.
func (l *Lab) HandedInCLI() *pki.Credential {
	if c := l.record.Spec.Configuration; c.HandedIn() {
		return c.CLI
	}
	return nil
}

// StandIn says why the certificates of the lab's agents of the role say nothing of a user's: the user has handed none in, and the lab's
// own stand in for them. Empty: they are the user's, or the lab runs no configuration of a user's for that role.
func (l *Lab) StandIn(role pki.Role) string { return l.record.Spec.Configuration.StandIn(role) }

// Nodes are all of the lab's nodes in the order of the plan, extra nodes included.
func (l *Lab) Nodes() []*Node { return slices.Clone(l.nodes) }

// Servers are the servers that the lab began with, of all regions.
func (l *Lab) Servers() []*Node { return l.members(pki.Server) }

// Clients are the clients that the lab began with, of all regions.
func (l *Lab) Clients() []*Node { return l.members(pki.Client) }

func (l *Lab) members(role pki.Role) []*Node {
	var out []*Node
	for _, n := range l.nodes {
		if n.plan.Role == role && !n.plan.ExtraNode {
			out = append(out, n)
		}
	}
	return out
}

// Node returns a node by its name. The error lists the names that there are.
func (l *Lab) Node(name string) (*Node, error) {
	names := make([]string, 0, len(l.nodes))
	for _, n := range l.nodes {
		if n.Name() == name {
			return n, nil
		}
		names = append(names, n.Name())
	}
	return nil, fmt.Errorf("%w: lab %s has no node %q, it has %v", spec.ErrInvalid, l.Name(), name, names)
}

// Down removes the lab: its nodes, its network, its folder with every key. Another lab that has taken its name since is
// left alone. It may be called again.
func (l *Lab) Down(ctx context.Context) error {
	for _, n := range l.nodes {
		n.stopLog()
	}
	if _, err := watchdog.Sweep(ctx, l.target()); err != nil {
		return fmt.Errorf("remove lab %s: %w", l.Name(), err)
	}
	return l.dismiss()
}

// Keep lets the lab outlive this process. Its logs are then the engine's to keep: the copies on disk would end with
// this process, and a log that ends too early misleads.
func (l *Lab) Keep() error {
	for _, n := range l.nodes {
		n.dropLog()
	}
	return l.dismiss()
}

// labels are on everything that the lab has in the engine.
func (l *Lab) labels(p plan.Plan, o UpOptions) map[string]string {
	members := 0
	for _, n := range p.Nodes {
		if !n.ExtraNode {
			members++
		}
	}
	labels := map[string]string{
		state.LabelRun: l.record.Run, state.LabelVersion: l.record.Version, state.LabelCreated: l.record.Created.UTC().Format(time.RFC3339),
		state.LabelMembers: strconv.Itoa(members), state.LabelFolder: l.folder.Path,
	}
	if !o.Expires.IsZero() {
		labels[state.LabelExpires] = o.Expires.UTC().Format(time.RFC3339)
	}
	return labels
}

// watch starts the watchdog: from here on, whatever this process makes goes when it dies.
func (l *Lab) watch(ctx context.Context) error {
	guard, err := watchdog.Start(ctx, l.target())
	if err != nil {
		return fmt.Errorf("start the watchdog of lab %s: %w", l.Name(), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guard = guard
	return nil
}

// target is what this run of the lab has. What another run of the same name has is none of its business.
func (l *Lab) target() watchdog.Target {
	f := l.engine.Footprint(state.LabelRun, l.record.Run)
	return watchdog.Target{
		DockerHost: f.DockerHost, Label: f.Label, Marker: marker(l.record.Run), Folders: append(f.Folders, l.folder.Path),
	}
}

// marker is in the environment of all processes that are started for a lab, by an engine or beside it.
func marker(run string) string { return engine.RunVariable + "=" + run }

// watched is true while the lab ends with this process.
func (l *Lab) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.guard != nil
}

// dismiss says goodbye to the watchdog, and lets go of the folder: what there is of the lab stays when this process ends.
func (l *Lab) dismiss() error {
	l.mu.Lock()
	guard, owner := l.guard, l.owner
	l.guard, l.owner = nil, nil
	l.mu.Unlock()
	var errs []error
	if owner != nil {
		if err := os.Remove(owner.Path()); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		errs = append(errs, owner.Close())
	}
	if guard != nil {
		errs = append(errs, guard.Release())
	}
	return errors.Join(errs...)
}

// outlived is an error for a lab whose certificates have ended: nothing in it can be reached any more.
func (l *Lab) outlived() error {
	until, err := l.cli.NotAfter()
	if err != nil || time.Now().Before(until) {
		return err
	}
	return fmt.Errorf("the certificates of lab %s ended at %s: `nomadlab down %s`, then `nomadlab up --name %s` makes new ones",
		l.Name(), until.Local().Format(time.DateTime), l.Name(), l.Name())
}

// GossipKey is the key that the lab's servers began to encrypt their gossip with, in base64. Empty: they do not encrypt it,
// or the key is lost. It is a secret, in no record, log or evidence of the lab.
func (l *Lab) GossipKey() string {
	if l.gossip == nil {
		return ""
	}
	return *l.gossip
}

// look asks the engine about all nodes. What it returns has those that are there, by name; after an error, as they were last
// seen.
func (l *Lab) look(ctx context.Context) (map[string]engine.State, error) {
	seen := map[string]engine.State{}
	states, err := l.engine.Nodes(ctx, l.Name())
	for _, s := range states {
		seen[s.Node] = s
	}
	for _, n := range l.nodes {
		if err != nil {
			seen[n.Name()] = n.lastSeen()
			continue
		}
		n.setState(seen[n.Name()])
	}
	return seen, err
}
