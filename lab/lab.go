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
	"sync"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Lab is a live cluster. Build it with Up, or with Open for one that was brought up before.
//
// Its secrets are behind pointers, so that printing a Lab shows none: fmt calls no methods of unexported fields.
type Lab struct {
	engine    engine.Engine
	folder    state.Folder
	record    state.Record
	authority *pki.Authority
	foreign   *pki.Authority
	cli       *pki.Credential
	// brought are credentials of the user's folder, one for each role and region. Nil: the certificates come from elsewhere.
	brought []pki.Credential
	// root is the authority that has signed authority, if that is an intermediate. Nil: it is a root.
	root *pki.Authority
	// gossip is the gossip key. Nil: the lab has none.
	gossip *string
	nodes  []*Node
	// vault is the server that issues the certificates. Nil: there is none, or it was not loaded.
	vault *vault.Authority
	// readyErr is the error that ReadyTimeout tolerated. Nil: none.
	readyErr error

	// mu guards what follows, and what Adopt changes: authority, cli and gossip.
	mu sync.Mutex
	// changed is the record since a change of the running lab. It is replaced as a whole. Nil: the record as the lab was made.
	changed *state.Record
	// token is the secret of the management token. Nil: there is none.
	token *string
	// guard removes the lab when this process ends. Nil for a lab that stays.
	guard *watchdog.Watchdog
	// owner is locked while the lab is to end with this process. Nil for a lab that stays.
	owner *flock.Flock
}

// Name returns the lab's name.
func (l *Lab) Name() string { return l.record.Plan.Name }

// Plan returns the plan that the lab was made from, with what Revise and Become have changed since.
func (l *Lab) Plan() plan.Plan { return l.current().Plan }

// NomadVersion returns the version that the lab's agents run.
func (l *Lab) NomadVersion() string { return l.current().Version }

// Image returns what has the Nomad that the lab's nodes run: an image, or the path of a binary.
func (l *Lab) Image() string { return l.current().Image }

// Engine returns the name of the engine that runs the lab's nodes.
func (l *Lab) Engine() string { return l.record.Engine }

// Contained reports whether the lab's nodes, and the CLI that RunCLI runs beside them, see none of this machine's files.
func (l *Lab) Contained() bool { return l.engine.Site().Contained() }

// Created returns when the lab was brought up.
func (l *Lab) Created() time.Time { return l.record.Created }

// IsDefault reports whether the lab is a default lab of any size: not hardened, and without overrides, altered certificates
// or a user configuration.
func (l *Lab) IsDefault() bool {
	s := l.current().Spec
	return s.Configuration == nil && !s.Hardened && len(s.Overrides) == 0 && !s.Certificates.Altered()
}

// ReadyErr returns the readiness error that UpOptions.ReadyTimeout tolerated, or nil.
func (l *Lab) ReadyErr() error { return l.readyErr }

// TLSFolder returns the folder of the authority's certificate and of the cli certificate and key, in files named as
// `nomad tls` names them.
func (l *Lab) TLSFolder() string { return l.folder.TLS() }

// Authority returns the authority that signs the lab's certificates, or nil if the certificates are the user's and the key of
// their authority is not at hand. Checks use it to issue wrong certificates.
func (l *Lab) Authority() *pki.Authority {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.authority
}

// ForeignAuthority returns an authority that is not the lab's and that some of its agents trust, or nil if none does.
func (l *Lab) ForeignAuthority() *pki.Authority { return l.foreign }

// RootAuthority returns the root that has signed Authority, in a lab whose certificates an intermediate authority issues. Nil: in
// another lab, or if its key is not at hand.
func (l *Lab) RootAuthority() *pki.Authority { return l.root }

// Credential returns the cli credential, which Node.API presents.
func (l *Lab) Credential() pki.Credential {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.cli
}

// UserCredentials returns the agents' credentials that came with the user configuration, or one for each role and region from
// the user's folder. It returns nil for a lab whose certificates were issued.
func (l *Lab) UserCredentials() []pki.Credential {
	out := slices.Clone(l.brought)
	if c := l.current().Spec.Configuration; c != nil {
		for _, agents := range []spec.AgentConfiguration{c.Server, c.Client} {
			if agents.Credential != nil {
				out = append(out, *agents.Credential)
			}
		}
	}
	return out
}

// UserCLICredential returns the cli credential that came with the user configuration, or nil if none did.
func (l *Lab) UserCLICredential() *pki.Credential {
	if c := l.current().Spec.Configuration; c.HasCredentials() {
		return c.CLI
	}
	return nil
}

// StandIn returns why the lab's own certificates stand in for the user's at agents of the role; empty if they do not. See
// spec.Configuration.StandIn.
func (l *Lab) StandIn(role pki.Role) string { return l.current().Spec.Configuration.StandIn(role) }

// GossipKey returns the key with which the lab's servers began to encrypt their gossip, in base64. It is empty if they do not
// encrypt it, or if the key is lost. The key is in no record, log or evidence of the lab.
func (l *Lab) GossipKey() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gossip == nil {
		return ""
	}
	return *l.gossip
}

// Nodes returns all of the lab's nodes in the order of the plan, extra nodes included.
func (l *Lab) Nodes() []*Node { return slices.Clone(l.nodes) }

// Servers returns the servers of all regions, without extra nodes.
func (l *Lab) Servers() []*Node { return members(l.nodes, pki.Server) }

// Clients returns the clients of all regions, without extra nodes.
func (l *Lab) Clients() []*Node { return members(l.nodes, pki.Client) }

// Node returns a node by its name. The error lists the names of all nodes.
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

// Down removes the lab: its nodes, its network, and its folder with every key. It leaves alone another lab that has taken the
// name since. Down may be called again.
func (l *Lab) Down(ctx context.Context) error {
	for _, n := range l.nodes {
		n.stopLog()
	}
	if _, err := watchdog.Sweep(ctx, l.target()); err != nil {
		return fmt.Errorf("remove lab %s: %w", l.Name(), err)
	}
	return l.dismissWatchdog()
}

// Keep lets the lab outlive this process. It removes the copies of the logs: they would end with this process, and the engine
// keeps the whole logs.
func (l *Lab) Keep() error {
	for _, n := range l.nodes {
		n.stopLog()
		_ = os.Remove(n.LogFile())
	}
	return l.dismissWatchdog()
}

// watch starts the watchdog, which removes whatever this process makes of the lab when the process ends.
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

// target returns what the watchdog removes: everything of this run of the lab, and nothing of another run of the same name.
func (l *Lab) target() watchdog.Target {
	f := l.engine.Footprint(state.LabelRun, l.record.Run)
	return watchdog.Target{
		DockerHost: f.DockerHost, Label: f.Label, Marker: marker(l.record.Run), Folders: append(f.Folders, l.folder.Path),
	}
}

// marker returns the environment variable of all processes that are started for a run of a lab.
func marker(run string) string { return engine.RunVariable + "=" + run }

// watched reports whether the lab ends with this process.
func (l *Lab) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.guard != nil
}

// dismissWatchdog dismisses the watchdog and unlocks the folder: what there is of the lab stays when this process ends.
func (l *Lab) dismissWatchdog() error {
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

// checkExpiry returns an error if the lab's certificates have expired: no agent of it can be reached any more.
func (l *Lab) checkExpiry() error {
	until, err := l.Credential().NotAfter()
	if err != nil || time.Now().Before(until) {
		return err
	}
	return fmt.Errorf("the certificates of lab %s ended at %s: `nomadlab down %s`, then `nomadlab up --name %s` makes new ones",
		l.Name(), until.Local().Format(time.DateTime), l.Name(), l.Name())
}

// refresh asks the engine for the states of all nodes, by name, and stores them in the nodes. After an error it returns the
// states that the engine last reported, in which a node with an address counts as running.
func (l *Lab) refresh(ctx context.Context) (map[string]engine.State, error) {
	seen := map[string]engine.State{}
	states, err := l.engine.Nodes(ctx, l.Name())
	for _, s := range states {
		seen[s.Node] = s
	}
	for _, n := range l.nodes {
		if err != nil {
			last := n.lastState()
			last.Running = last.Running || len(last.Endpoints) > 0
			seen[n.Name()] = last
			continue
		}
		n.setState(seen[n.Name()])
	}
	return seen, err
}
