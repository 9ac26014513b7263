package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// ErrNotFound is returned by Open for a lab that the engine does not know. It is an ErrInvalid.
const ErrNotFound = spec.InputError("no such lab")

// Open returns a handle on a lab that was brought up before, whether it runs or is stopped. It returns ErrNotFound for a lab
// that the engine does not know, ErrOtherState for one that is kept in another state folder, and ErrDamaged if the lab's
// folder cannot be read. For a lab that Docker Compose brought up, Open makes the folder and copies the keys out of the lab.
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
		return openCompose(ctx, e, name, states)
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
		n := newNode(l, planned)
		for _, s := range states {
			if s.Node == planned.Name {
				n.setState(s)
			}
		}
		l.nodes = append(l.nodes, n)
	}
	return l, l.loadCredentials()
}

// loadCredentials reads the authorities, the gossip key, the management token and the cli credential from the lab's folder.
func (l *Lab) loadCredentials() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w: `nomadlab down %s` still removes the lab", spec.ErrDamaged, err, l.Name())
		}
	}()
	l.authority, err = pki.LoadAuthority(l.folder.TLS(), pki.Options{LeafTTL: l.record.Plan.Certificates.TTL})
	if l.record.Plan.Authority.Folder() != "" && errors.Is(err, fs.ErrNotExist) {
		l.authority, err = nil, nil // the user's folder need not have the authority's key
	}
	if err != nil {
		return err
	}
	if len(l.record.Plan.Certificates.TrustForeign) > 0 {
		if l.foreign, err = pki.LoadAuthority(l.folder.Foreign(), pki.Options{}); err != nil {
			return err
		}
	}
	if l.record.Plan.Certificates.Chained() {
		if l.root, err = pki.LoadAuthority(l.folder.Root(), pki.Options{LeafTTL: l.record.Plan.Certificates.TTL}); err != nil {
			return err
		}
	}
	if l.gossip, err = l.folder.ReadGossip(); err != nil {
		return err
	}
	if l.token, err = l.folder.ReadToken(); err != nil {
		return err
	}
	if l.record.Plan.Authority.Folder() != "" {
		for _, n := range l.roleNodes() {
			c, err := pki.LoadCredential(l.folder.Brought(), n.Identity)
			if err != nil {
				return err
			}
			l.brought = append(l.brought, c)
		}
	}
	cli, err := pki.LoadCredential(l.folder.TLS(), l.cliIdentity())
	l.cli = &cli
	return err
}

// roleNodes returns the first node of each role and region in the plan.
func (l *Lab) roleNodes() []plan.Node {
	var out []plan.Node
	for _, n := range l.record.Plan.Nodes {
		same := func(o plan.Node) bool { return o.Role == n.Role && o.Region == n.Region }
		if !n.ExtraNode && n.HasCertificate() && n.Defect == "" && !slices.ContainsFunc(out, same) {
			out = append(out, n)
		}
	}
	return out
}

// cliIdentity returns the identity of the lab's cli credential.
func (l *Lab) cliIdentity() pki.Identity {
	return pki.Identity{Role: pki.CLI, Region: l.record.Plan.Nodes[0].Region}
}

// openCompose is Open for a lab that Docker Compose brought up. The lab has no record: its labels say what it is, and its
// keys are in its issuer's volume.
func openCompose(ctx context.Context, e engine.Engine, name string, states []engine.State) (*Lab, error) {
	place := func(s engine.State) int {
		n, _ := strconv.Atoi(s.Labels[state.LabelPlace])
		return n
	}
	slices.SortStableFunc(states, func(a, b engine.State) int { return cmp.Compare(place(a), place(b)) })
	l := &Lab{engine: e, folder: state.FolderOf(name, state.ComposeRun(name)), record: state.Record{
		Run: state.ComposeRun(name), Engine: e.Name(), Image: states[0].Image, Version: states[0].Version, Plan: plan.Plan{Name: name},
	}}
	for _, s := range states {
		planned := state.ComposeNode(s.Node, s.Labels[state.LabelRole], s.Labels[state.LabelRegion])
		planned.Datacenter = s.Labels[state.LabelDatacenter]
		n := newNode(l, planned)
		n.setState(s)
		l.nodes = append(l.nodes, n)
	}
	for at, planned := range state.ComposeNodes(states[0].Labels) {
		if !slices.ContainsFunc(l.nodes, func(n *Node) bool { return n.Name() == planned.Name }) { // its container was removed
			l.nodes = slices.Insert(l.nodes, min(at, len(l.nodes)), newNode(l, planned))
		}
	}
	for _, n := range l.nodes {
		l.record.Plan.Nodes = append(l.record.Plan.Nodes, *n.plan())
	}
	if err := l.copyKeysOfCompose(ctx); err != nil {
		return nil, err
	}
	if err := l.loadCredentials(); err != nil {
		return nil, err
	}
	l.record.Created = l.authority.NotBefore()
	return l, nil
}

// copyKeysOfCompose copies the authority, the cli credential and the gossip key out of the issuer into the lab's folder. It does
// so at every Open: after docker-compose down -v, the next up makes new keys.
func (l *Lab) copyKeysOfCompose(ctx context.Context) error {
	files, err := l.engine.CopyOut(ctx, engine.Ref{Lab: l.Name(), Node: state.ComposeIssuer}, state.ComposeAuthority)
	if errors.Is(err, engine.ErrNotFound) {
		if _, lost := os.Stat(filepath.Join(l.folder.TLS(), pki.CAFile)); lost == nil {
			return nil // the issuer was removed later, as by docker container prune; the copies are still right
		}
		return fmt.Errorf("%w: the keys of lab %s are in the volumes of its container %s: `docker-compose up -d` makes that again",
			err, l.Name(), state.ComposeIssuer)
	}
	if err != nil {
		return err
	}
	return l.folder.TakeKeys(files, l.cliIdentity())
}
