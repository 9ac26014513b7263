package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/lab/engine"
)

// reservation holds a lab's name while the lab is being started, so that of two starts under one name one goes on.
type reservation struct{ lock *flock.Flock }

func reservationFile(name string) string { return filepath.Join(labsFolder(), name+".lock") }

func reserve(name string) (*reservation, error) {
	if err := os.MkdirAll(labsFolder(), 0o700); err != nil {
		return nil, outOfSpace(fmt.Errorf("make the folder of labs: %w", err))
	}
	if err := checkSpace(labsFolder()); err != nil {
		return nil, err
	}
	for {
		lock := flock.New(reservationFile(name), flock.SetPermissions(0o600))
		held, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("reserve the name %s: %w", name, err)
		}
		if !held {
			return nil, fmt.Errorf("%w: lab %s is being started by another process: wait for it, or choose another --name", ErrTaken, name)
		}
		if lasting(lock) {
			return &reservation{lock}, nil
		}
		_ = lock.Close() // its last holder removed the file between our opening and our locking it
	}
}

// lasting is true when the file that was locked is still the one that others will find.
func lasting(lock *flock.Flock) bool {
	ours, err := lock.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(ours, theirs)
}

func (r *reservation) release() {
	_ = os.Remove(r.lock.Path())
	_ = r.lock.Close()
}

// sweepWithin is how long the watchdog of a killed start needs at most to remove its nodes.
const sweepWithin = 5 * time.Second

// claim reserves a name that no lab has. Whether one has it is the engine's to say: a lab whose folder was lost still
// has its name, and what a killed start left does not keep it.
func claim(ctx context.Context, e engine.Engine, name string, tell func(Event)) (*reservation, error) {
	r, err := reserve(name)
	if err != nil {
		return nil, err
	}
	if err := free(ctx, e, name, tell); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

// free returns ErrTaken for the name of a lab that came up. What is left of one that did not is waited for, as its
// watchdog removes it, and is removed here if that was killed as well, by a power cut say. The caller has the name.
func free(ctx context.Context, e engine.Engine, name string, tell func(Event)) error {
	states, there, err := find(ctx, e, name)
	if err != nil || !there {
		return err
	}
	if came := len(states) > 0 && !folderOf(name, states[0].Labels[labelRun]).unfinished(); came {
		return taken(name)
	}
	tell(Event{Stage: "claim", Text: "waiting until what a killed start of this lab left has been removed"})
	bounded, cancel := context.WithTimeout(ctx, sweepWithin)
	defer cancel()
	if err := WaitFor(bounded, "the sweep of a killed start", func(ctx context.Context) string {
		if states, there, err = find(ctx, e, name); err != nil || there {
			return fmt.Sprintf("%d nodes (%v)", len(states), err)
		}
		return ""
	}); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if len(states) > 0 && !folderOf(name, states[0].Labels[labelRun]).begun() {
		return taken(name) // it has lost its folder, and may be somebody's all the same
	}
	return Remove(ctx, e, name)
}

// find returns the lab's nodes, and whether there is anything of the lab at all.
func find(ctx context.Context, e engine.Engine, name string) ([]engine.State, bool, error) {
	labs, err := e.Labs(ctx)
	states, there := labs[name]
	return states, there, err
}

func taken(name string) error {
	return fmt.Errorf("%w: a lab %s exists: look at it with `nomadlab status %s`, remove it with `nomadlab down %s`, or choose another --name",
		ErrTaken, name, name, name)
}
