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

// Reservation holds a lab's name during its start, so that of two starts under one name only one goes on.
type Reservation struct{ lock *flock.Flock }

// lockSuffix ends the name of the file of a reservation.
const lockSuffix = ".lock"

func reservationFile(name string) string { return filepath.Join(labsFolder(), name+lockSuffix) }

// Reserve reserves the name, or returns ErrTaken. It also removes reservations of killed processes.
func Reserve(name string) (*Reservation, error) {
	var r *Reservation
	err := exclusively(func() (err error) {
		_ = removeStaleLocks() // an error there must not keep a name from being reserved
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

// lockTimeout is how long to wait for the lock of all reservations. Its holder needs a moment, unless its process is stopped.
const lockTimeout = 10 * time.Second

// exclusively calls do while no other process looks at the reservations: removeStaleLocks locks each reservation for a
// moment, which would look like the start of a lab.
func exclusively(do func() error) error {
	if err := checkHome(); err != nil {
		return err
	}
	if err := os.MkdirAll(labsFolder(), 0o700); err != nil {
		return OutOfSpace(fmt.Errorf("%w: %w: let XDG_STATE_HOME name a folder that you may write to", spec.ErrNoFolder, err))
	}
	late, cancel := deadline.Fair(context.Background(), lockTimeout)
	defer cancel()
	lock, err := lockUntil(late, labsFolder()+lockSuffix)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	return do()
}

// lockInterval is how often a lock that another process holds is tried.
const lockInterval = 10 * time.Millisecond

// lockUntil locks the file, or gives up when ctx is done. After it has given up, it never takes the lock.
func lockUntil(ctx context.Context, file string) (*flock.Flock, error) {
	lock := flock.New(file, flock.SetPermissions(0o600))
	_, err := lock.TryLockContext(ctx, lockInterval)
	switch {
	case err == nil:
		return lock, nil
	case ctx.Err() == nil:
		err = OutOfSpace(fmt.Errorf("lock the folder of labs: %w", err))
	default:
		err = fmt.Errorf("another nomadlab process keeps %s locked, has it been stopped? `fuser %s` shows which", file, file)
	}
	return nil, errors.Join(err, lock.Close())
}

// Release gives the name back. It removes the file before it unlocks it, exclusively, so that no other process can wait
// for the lock of a removed file.
func (r *Reservation) Release() {
	_ = exclusively(func() error {
		_ = os.Remove(r.lock.Path())
		return nil
	})
	_ = r.lock.Close()
}
