package lab

import (
	"context"
	"errors"
	"fmt"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
)

// Restart starts every node of the lab that does not run, as after a reboot, and resumes what is paused: the servers side by
// side, then, when they have a leader, the clients. It returns when the lab is ready. Extra nodes stay as they are.
//
// If a node is missing or not on the lab's network, Restart starts all others and returns an error that names it. If a region
// has too few servers left to elect a leader, it returns an error at once.
func (l *Lab) Restart(ctx context.Context) error {
	if err := l.checkExpiry(); err != nil {
		return err
	}
	states, err := l.refresh(ctx)
	if err != nil {
		return err
	}
	missing := missingError(append(l.Servers(), l.Clients()...), states)
	for _, r := range l.regions() {
		if !canElect(members(r.nodes, pki.Server), states) {
			return fmt.Errorf("too few servers of region %s are left to elect a leader: %w", r.name, missing)
		}
	}
	start := func(ctx context.Context, n *Node) error {
		switch s, there := states[n.Name()]; {
		case !there:
			return nil
		case s.Paused:
			return n.Resume(ctx)
		case s.Running:
			return nil
		default:
			return n.Start(ctx)
		}
	}
	if err := l.startServices(ctx, states); err != nil {
		return err
	}
	if err := each(ctx, l.Servers(), start); err != nil {
		return err
	}
	if err := l.WaitLeader(ctx); err != nil {
		return err
	}
	if err := each(ctx, l.Clients(), start); err != nil {
		return err
	}
	return errors.Join(l.WaitReady(ctx), missing)
}

// missingError returns an error that names the nodes that cannot be started again; nil if all can.
func missingError(nodes []*Node, states map[string]engine.State) error {
	var errs []error
	for _, n := range nodes {
		if state, why := unreachable(states, n.Name()); state == StateMissing || state == StateCutOff {
			errs = append(errs, errors.New(NodeStatus{Name: n.Name(), State: state, Why: why}.trouble()))
		}
	}
	return errors.Join(errs...)
}

// canElect reports whether more than half of a region's servers can be started or run.
func canElect(servers []*Node, states map[string]engine.State) bool {
	left := 0
	for _, n := range servers {
		if missingError([]*Node{n}, states) == nil {
			left++
		}
	}
	return 2*left > len(servers)
}
