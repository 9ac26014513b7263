package lab

import (
	"context"
	"errors"
	"fmt"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Open returns a handle on a lab that runs already, or did until its containers were stopped. It returns ErrNotFound
// for a lab that the engine does not know, ErrOtherState for one that is kept in another state folder, and ErrDamaged when the lab's folder cannot be read. A lab that Docker Compose
// brought up has no folder before it is opened: its keys are fetched out of it.
func Open(ctx context.Context, e engine.Engine, name string) (*Lab, error) {
	if err := spec.CheckName(name); err != nil {
		return nil, err
	}
	found, _, err := find(ctx, e, name)
	if err != nil {
		return nil, err
	}
	states, err := e.Nodes(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(states) == 0 {
		return nil, fmt.Errorf("%w: %q: `nomadlab list` shows those that there are, `nomadlab up --name %s` makes it", ErrNotFound, name, name)
	}
	if states[0].Labels[state.LabelOrigin] == state.Compose {
		return adopt(ctx, e, name, states)
	}
	if err := state.OtherState(name, found.Labels); err != nil {
		return nil, err
	}
	f := state.FolderOf(name, found.Labels[state.LabelRun])
	r, err := f.Read()
	if err != nil {
		return nil, err
	}
	l := &Lab{engine: e, folder: f, record: r}
	for _, planned := range r.Plan.Nodes {
		n := &Node{lab: l, plan: planned}
		for _, s := range states {
			if s.Node == planned.Name {
				n.setState(s)
			}
		}
		l.nodes = append(l.nodes, n)
	}
	return l, errors.Join(l.loadCredentials(), l.loadToken())
}

func (l *Lab) loadCredentials() error {
	damaged := func(err error) error {
		return fmt.Errorf("%w: %w: `nomadlab down %s` still removes the lab", spec.ErrDamaged, err, l.Name())
	}
	var err error
	l.authority, err = pki.LoadAuthority(l.folder.TLS(), pki.Options{LeafTTL: l.record.Plan.Certificates.TTL})
	if err != nil {
		return damaged(err)
	}
	if len(l.record.Plan.Certificates.TrustForeign) > 0 {
		if l.foreign, err = pki.LoadAuthority(l.folder.Foreign(), pki.Options{}); err != nil {
			return damaged(err)
		}
	}
	if l.gossip, err = l.folder.ReadGossip(); err != nil {
		return damaged(err)
	}
	cli, err := pki.LoadCredential(l.folder.TLS(), l.cliIdentity())
	l.cli = &cli
	if err != nil {
		return damaged(err)
	}
	return nil
}

// cliIdentity is who the lab's user is.
func (l *Lab) cliIdentity() pki.Identity {
	return pki.Identity{Role: pki.CLI, Region: l.record.Plan.Nodes[0].Region}
}
