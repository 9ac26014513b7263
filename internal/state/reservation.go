package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/spec"
)

// Reservation holds a lab's name while the lab is being started, so that of two starts under one name one goes on.
type Reservation struct{ lock *flock.Flock }

// lockSuffix ends the name of a reservation's file. Files are none of the labs' folders.
const lockSuffix = ".lock"

func reservationFile(name string) string { return filepath.Join(labsFolder(), name+lockSuffix) }

// Reserve reserves the name, or returns ErrTaken, and removes what killed processes left of other reservations.
func Reserve(name string) (*Reservation, error) {
	var r *Reservation
	err := exclusively(func() (err error) {
		_ = tidyLocks() // what cannot be removed keeps nobody from a name
		lock := flock.New(reservationFile(name), flock.SetPermissions(0o600))
		held, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("reserve the name %s: %w", name, err)
		}
		if !held {
			return fmt.Errorf("%w: lab %s is being started or removed by another process", spec.ErrTaken, name)
		}
		r = &Reservation{lock}
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
		return OutOfSpace(fmt.Errorf("%w: %w: let XDG_STATE_HOME name a folder that you may write to", spec.ErrNoFolder, err))
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
		err = OutOfSpace(fmt.Errorf("lock the folder of labs: %w", err))
	default:
		err = fmt.Errorf("another nomadlab process keeps %s locked, has it been stopped? `fuser %s` tells which", file, file)
	}
	return nil, errors.Join(err, lock.Close())
}

// Release gives the name back. It removes the file before it lets go of it. Whoever has opened it by then waits in vain for a lock on a file that
// is gone, and so must not have: opening is done exclusively, too.
func (r *Reservation) Release() {
	_ = exclusively(func() error {
		_ = os.Remove(r.lock.Path())
		return nil
	})
	_ = r.lock.Close()
}
