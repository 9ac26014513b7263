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

// sweepWithin is how long the watchdog of a killed start is given to remove its nodes; a fraction of it is usual.
const sweepWithin = 5 * time.Second

// claim reserves a name that no lab has. Whether one has it is the engine's to say: a lab whose folder was lost still
// has its name, and what a killed start left does not keep it.
func claim(ctx context.Context, engines []engine.Engine, name string, tell func(Event)) (*state.Reservation, error) {
	r, err := state.Reserve(name)
	if err != nil {
		return nil, err
	}
	err = state.CheckSpace()
	for _, e := range engines {
		if err == nil {
			err = free(ctx, e, name, tell)
		}
	}
	if err == nil {
		err = freeElsewhere(engines, name)
	}
	if err != nil {
		r.Release()
		return nil, err
	}
	return r, nil
}

// free returns ErrTaken for the name of a lab that is there. What is left of one whose owner was killed is waited for, as
// its watchdog removes it, and is removed here if that was killed as well, by a power cut say. The caller has the name.
func free(ctx context.Context, e engine.Engine, name string, tell func(Event)) error {
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
	tell(Event{Stage: PhaseReserve, Text: "waiting until what a killed start of this lab left has been removed"})
	bounded, cancel := deadline.Fair(ctx, sweepWithin)
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
		return taken(name) // it has lost its folder, or is another user's
	}
	return remove(ctx, e, name)
}

// freeElsewhere returns ErrTaken for the name of a lab of an engine that is not looked at now.
func freeElsewhere(engines []engine.Engine, name string) error {
	folders, err := state.FoldersOf(name)
	for _, f := range folders {
		if there := elsewhere(f, engines...); there != nil {
			return fmt.Errorf("%w: %w, or choose another --name", spec.ErrTaken, there)
		}
	}
	return err
}

// find returns what there is of the lab, and whether there is anything.
func find(ctx context.Context, e engine.Engine, name string) (engine.LabState, bool, error) {
	labs, err := e.Labs(ctx)
	state, there := labs[name]
	return state, there, err
}

func taken(name string) error {
	return fmt.Errorf("%w: a lab %s exists: look at it with `nomadlab status %s`, remove it with `nomadlab down %s`, or choose another --name",
		spec.ErrTaken, name, name, name)
}
