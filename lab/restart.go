package lab

import (
	"context"
	"errors"
	"fmt"

	"nomadlab.internal/lab/engine"
)

// Restart starts every node of the lab that does not run, as after a reboot, and resumes what is paused: the servers side by
// side, then, when they have a leader, the clients. It returns when the lab is ready. Extra nodes stay as they are. It returns
// an error, with all that can run started, for a lab of which a node is missing or not on the lab's network; and at once where
// these are so many that a region's servers can elect no leader.
func (l *Lab) Restart(ctx context.Context) error {
	if err := l.outlived(); err != nil {
		return err
	}
	states, err := l.look(ctx)
	if err != nil {
		return err
	}
	lacking := l.lacking(states)
	for _, region := range l.regions() {
		if !l.canElect(region, states) {
			return fmt.Errorf("too few servers of region %s are left to elect a leader: %w", region, lacking)
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
	if err := each(ctx, l.Servers(), start); err != nil {
		return err
	}
	if err := l.WaitLeader(ctx); err != nil {
		return err
	}
	if err := each(ctx, l.Clients(), start); err != nil {
		return err
	}
	return errors.Join(l.WaitReady(ctx), lacking)
}

// lacking is an error that names the members that no start brings back.
func (l *Lab) lacking(states map[string]engine.State) error {
	var errs []error
	for _, n := range append(l.Servers(), l.Clients()...) {
		if state, why := condemned(states, n.Name()); state == StateMissing || state == StateCutOff {
			errs = append(errs, errors.New(NodeStatus{Name: n.Name(), State: state, Why: why}.trouble()))
		}
	}
	return errors.Join(errs...)
}

// canElect reports whether more than half of the region's servers are there and on the lab's network, running or not.
func (l *Lab) canElect(region string, states map[string]engine.State) bool {
	all, left := 0, 0
	for _, n := range l.Servers() {
		if n.Region() != region {
			continue
		}
		all++
		if state, _ := condemned(states, n.Name()); state != StateMissing && state != StateCutOff {
			left++
		}
	}
	return 2*left > all
}
