package lab

import (
	"context"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// sweepTimeout is how long the watchdog of a killed start has to remove its nodes. It usually needs a fraction of that.
const sweepTimeout = 5 * time.Second

// reserveName reserves a name that no lab has, and returns ErrTaken for all others. The engines decide whether a lab has it:
// a lab whose folder was lost keeps its name, and what a killed start left behind does not.
func reserveName(ctx context.Context, engines []engine.Engine, name string, o UpOptions) (*state.Reservation, error) {
	r, err := state.Reserve(name)
	if err != nil {
		return nil, err
	}
	err = state.CheckSpace()
	for _, e := range engines {
		if err == nil {
			err = checkFree(ctx, e, name, o)
		}
	}
	if err == nil {
		err = checkFreeElsewhere(engines, name)
	}
	if err != nil {
		r.Release()
		return nil, err
	}
	return r, nil
}

// checkFree returns ErrTaken if the engine has a lab of that name. What is left of a lab whose owner was killed does not count:
// checkFree waits until the watchdog has removed it, and removes it here if the watchdog was killed too, such as by a power
// cut. The caller must hold the reservation of the name.
func checkFree(ctx context.Context, e engine.Engine, name string, o UpOptions) error {
	seen, there, err := find(ctx, e, name)
	if err != nil || !there {
		return err
	}
	if seen.Labels[state.LabelOrigin] != "" {
		return taken(name)
	}
	found := state.FolderOf(name, seen.Labels[state.LabelRun]).Condition()
	if found == state.Kept || found == state.Owned {
		return taken(name)
	}
	o.report(phaseReserve, "waiting until what a killed start of this lab left has been removed")
	bounded, cancel := deadline.Fair(ctx, sweepTimeout)
	defer cancel()
	err = poll.Until(bounded, "the sweep of a killed start", func(ctx context.Context) string {
		if seen, there, err = find(ctx, e, name); err != nil || there {
			return fmt.Sprintf("%d nodes (%v)", len(seen.Nodes), err)
		}
		return ""
	})
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if found == state.Gone {
		return taken(name) // its folder was lost, or belongs to another user
	}
	return remove(ctx, e, name)
}

// checkFreeElsewhere returns ErrTaken if the name is that of a lab of an engine that is not among these.
func checkFreeElsewhere(engines []engine.Engine, name string) error {
	folders, err := state.FoldersOf(name)
	for _, f := range folders {
		if there := elsewhere(f, engines...); there != nil {
			return fmt.Errorf("%w: %w, or choose another --name", spec.ErrTaken, there)
		}
	}
	return err
}

// find returns what the engine has of the lab. there is false if it has nothing.
func find(ctx context.Context, e engine.Engine, name string) (found engine.LabState, there bool, err error) {
	labs, err := e.Labs(ctx)
	found, there = labs[name]
	return found, there, err
}

func taken(name string) error {
	return fmt.Errorf("%w: a lab %s exists: look at it with `nomadlab status %s`, remove it with `nomadlab down %s`, or choose another --name",
		spec.ErrTaken, name, name, name)
}
