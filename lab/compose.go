package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// adopt is Open for a lab that Compose brought up. No folder tells of it: what it is, its labels say, and its keys lie in
// the lab itself.
func adopt(ctx context.Context, e engine.Engine, name string, states []engine.State) (*Lab, error) {
	inOrder(states)
	l := &Lab{engine: e, folder: state.FolderOf(name, state.ComposeRun(name)), record: state.Record{
		Run: state.ComposeRun(name), Engine: e.Name(), Image: states[0].Image, Version: states[0].Version, Plan: plan.Plan{Name: name},
	}}
	for _, s := range states {
		n := &Node{lab: l, plan: adopted(s)}
		n.setState(s)
		l.nodes = append(l.nodes, n)
	}
	for at, planned := range state.ComposeNodes(states[0].Labels) {
		if !slices.ContainsFunc(l.nodes, func(n *Node) bool { return n.Name() == planned.Name }) { // its container was removed
			l.nodes = slices.Insert(l.nodes, min(at, len(l.nodes)), &Node{lab: l, plan: planned})
		}
	}
	for _, n := range l.nodes {
		l.record.Plan.Nodes = append(l.record.Plan.Nodes, n.plan)
	}
	if err := l.fetchAuthority(ctx); err != nil {
		return nil, err
	}
	if err := l.loadCredentials(); err != nil {
		return nil, err
	}
	l.record.Created = l.authority.NotBefore()
	return l, nil
}

// inOrder puts the states into the order of the plan.
func inOrder(states []engine.State) {
	place := func(s engine.State) int {
		n, _ := strconv.Atoi(s.Labels[state.LabelPlace])
		return n
	}
	slices.SortStableFunc(states, func(a, b engine.State) int { return cmp.Compare(place(a), place(b)) })
}

// adopted is a node as its labels have it, known by name as in the plan that Compose was given. Its files are the
// container's own business.
func adopted(s engine.State) plan.Node {
	n := state.ComposeNode(s.Node, s.Labels[state.LabelRole], s.Labels[state.LabelRegion])
	n.Datacenter = s.Labels[state.LabelDatacenter]
	return n
}

// fetchAuthority copies the authority, the cli credential and the gossip key into the lab's folder, where env and all others look for
// them. It does so every time: after docker-compose down -v, the next up makes new ones.
func (l *Lab) fetchAuthority(ctx context.Context) error {
	at := engine.Ref{Lab: l.Name(), Node: state.ComposeIssuer}
	files, err := l.engine.CopyOut(ctx, at, state.ComposeAuthority)
	if errors.Is(err, engine.ErrNotFound) {
		if _, lost := os.Stat(filepath.Join(l.folder.TLS(), pki.CAFile)); lost == nil {
			return nil // it was removed since, as by docker container prune, which changes nothing
		}
		return fmt.Errorf("%w: the keys of lab %s are in the volumes of its container %s: `docker-compose up -d` makes that again",
			err, l.Name(), state.ComposeIssuer)
	}
	if err != nil {
		return err
	}
	return l.folder.TakeKeys(files, l.cliIdentity())
}

// composed reports whether Compose brought the lab up.
func (l *Lab) composed() bool { return l.record.Run == state.ComposeRun(l.Name()) }
