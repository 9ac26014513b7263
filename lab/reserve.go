package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/lab/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// ErrNoFolder is returned when labs' folders cannot be made where they belong. It is an ErrInvalid.
const ErrNoFolder = spec.InputError("no folder for labs")

// reservation holds a lab's name while the lab is being started, so that of two starts under one name one goes on.
type reservation struct{ lock *flock.Flock }

// lockSuffix ends the name of a reservation's file. Files are none of the labs' folders.
const lockSuffix = ".lock"

func reservationFile(name string) string { return filepath.Join(labsFolder(), name+lockSuffix) }

// reserve reserves the name, and removes what killed processes left of other reservations.
func reserve(name string) (*reservation, error) {
	var r *reservation
	err := exclusively(func() (err error) {
		_ = tidyLocks() // what cannot be removed keeps nobody from a name
		lock := flock.New(reservationFile(name), flock.SetPermissions(0o600))
		held, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("reserve the name %s: %w", name, err)
		}
		if !held {
			return fmt.Errorf("%w: lab %s is being started or removed by another process", ErrTaken, name)
		}
		r = &reservation{lock}
		return nil
	})
	return r, err
}

// lookWithin is how long a look at the reservations may be waited for. It takes a moment, unless somebody has stopped the
// process that has it.
const lookWithin = 10 * time.Second

// exclusively does something with the reservations while nobody else looks at them: who tidies up locks each for a moment,
// and would be taken for the start of a lab.
func exclusively(do func() error) error {
	if err := housed(); err != nil {
		return err
	}
	if err := os.MkdirAll(labsFolder(), 0o700); err != nil {
		return outOfSpace(fmt.Errorf("%w: %w: let XDG_STATE_HOME name a folder that you may write to", ErrNoFolder, err))
	}
	late, cancel := deadline.Fair(context.Background(), lookWithin)
	defer cancel()
	lock, err := lockUntil(late, labsFolder()+lockSuffix)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	return do()
}

// lockEvery is how often a lock that another process holds is tried.
const lockEvery = 10 * time.Millisecond

// lockUntil locks the file, or gives up when ctx is done: a lock that came later would be nobody's, and keep everybody out.
func lockUntil(ctx context.Context, file string) (*flock.Flock, error) {
	lock := flock.New(file, flock.SetPermissions(0o600))
	_, err := lock.TryLockContext(ctx, lockEvery)
	switch {
	case err == nil:
		return lock, nil
	case ctx.Err() == nil:
		err = outOfSpace(fmt.Errorf("lock the folder of labs: %w", err))
	default:
		err = fmt.Errorf("another nomadlab process keeps %s locked, has it been stopped? `fuser %s` tells which", file, file)
	}
	return nil, errors.Join(err, lock.Close())
}

// release removes the file before it lets go of it. Whoever has opened it by then waits in vain for a lock on a file that
// is gone, and so must not have: opening is done exclusively, too.
func (r *reservation) release() {
	_ = exclusively(func() error {
		_ = os.Remove(r.lock.Path())
		return nil
	})
	_ = r.lock.Close()
}

// sweepWithin is how long the watchdog of a killed start is given to remove its nodes; a fraction of it is usual.
const sweepWithin = 5 * time.Second

// claim reserves a name that no lab has. Whether one has it is the engine's to say: a lab whose folder was lost still
// has its name, and what a killed start left does not keep it.
func claim(ctx context.Context, engines []engine.Engine, name string, tell func(Event)) (*reservation, error) {
	r, err := reserve(name)
	if err != nil {
		return nil, err
	}
	err = checkSpace(labsFolder())
	for _, e := range engines {
		if err == nil {
			err = free(ctx, e, name, tell)
		}
	}
	if err == nil {
		err = freeElsewhere(engines, name)
	}
	if err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

// free returns ErrTaken for the name of a lab that is there. What is left of one whose owner was killed is waited for, as
// its watchdog removes it, and is removed here if that was killed as well, by a power cut say. The caller has the name.
func free(ctx context.Context, e engine.Engine, name string, tell func(Event)) error {
	state, there, err := find(ctx, e, name)
	if err != nil || !there {
		return err
	}
	if state.Labels[labelOrigin] != "" {
		return taken(name)
	}
	found := folderOf(name, state.Labels[labelRun]).condition()
	if found == kept || found == owned {
		return taken(name)
	}
	tell(Event{Stage: "claim", Text: "waiting until what a killed start of this lab left has been removed"})
	bounded, cancel := deadline.Fair(ctx, sweepWithin)
	defer cancel()
	err = poll.Until(bounded, "the sweep of a killed start", func(ctx context.Context) string {
		if state, there, err = find(ctx, e, name); err != nil || there {
			return fmt.Sprintf("%d nodes (%v)", len(state.Nodes), err)
		}
		return ""
	})
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if found == gone {
		return taken(name) // it has lost its folder, or is another user's
	}
	return remove(ctx, e, name)
}

// freeElsewhere returns ErrTaken for the name of a lab of an engine that is not looked at now.
func freeElsewhere(engines []engine.Engine, name string) error {
	folders, err := foldersOf(name)
	for _, f := range folders {
		if there := f.elsewhere(engines...); there != nil {
			return fmt.Errorf("%w: %w, or choose another --name", ErrTaken, there)
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
		ErrTaken, name, name, name)
}
