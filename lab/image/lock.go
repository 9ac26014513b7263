package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockFile   = "lock"
	workFolder = "build-" // beginning of the work folders' names
	// lockPoll is how often a run that waits for another looks again; flock has no wait that can be cancelled.
	lockPoll = 50 * time.Millisecond
)

// alone calls do while no other run of this user makes a binary or an image, and waits for that first. What the
// caller found missing before may be there then: do must look again. It gets a folder of its own, which is removed
// afterwards. what is told to those who wait.
func (w *workshop) alone(ctx context.Context, what string, do func(work string) error) (err error) {
	if err := os.MkdirAll(w.cache, 0o700); err != nil {
		return fmt.Errorf("make the cache of nomad binaries: %w", err)
	}
	lock := flock.New(filepath.Join(w.cache, lockFile), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if err := w.acquire(ctx, lock, what); err != nil {
		return err
	}
	if err := sweep(w.cache); err != nil {
		return err
	}
	work, err := os.MkdirTemp(w.cache, workFolder)
	if err != nil {
		return fmt.Errorf("make the work folder of a build: %w", outOfSpace(err, w.cache))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	return do(work)
}

func (w *workshop) acquire(ctx context.Context, lock *flock.Flock, what string) error {
	got, err := lock.TryLock()
	if err == nil && !got {
		stop := w.progress.every(time.Second, func(elapsed time.Duration) Event {
			text := fmt.Sprintf("waiting for another run, which makes a nomad binary or an image now (for %s): %s", what, clock(elapsed))
			return Event{Stage: StageWait, Text: text, Elapsed: elapsed}
		})
		_, err = lock.TryLockContext(ctx, lockPoll)
		stop()
	}
	if err != nil {
		return fmt.Errorf("wait for the lock %s of builds: %w", lock.Path(), err)
	}
	return nil
}

// tidy removes what a killed build left, up to 1.7 GB: the next build may be far off, or never come. A build that goes on
// now has the lock, and sweeps itself. What cannot be removed is no reason to go without a Nomad that is here.
func (w *workshop) tidy() {
	if left, err := leftovers(w.cache); err != nil || len(left) == 0 {
		return
	}
	lock := flock.New(filepath.Join(w.cache, lockFile), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if got, err := lock.TryLock(); err == nil && got {
		_ = sweep(w.cache)
	}
}

// leftovers are the work folders that there are. A glob would stumble over the characters of a user's path.
func leftovers(cache string) ([]string, error) {
	entries, err := os.ReadDir(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var left []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workFolder) {
			left = append(left, filepath.Join(cache, e.Name()))
		}
	}
	return left, err
}

// sweep removes the work folders of runs that were killed. Only the holder of the lock may call it, as then
// no other run has one.
func sweep(cache string) error {
	left, err := leftovers(cache)
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		return fmt.Errorf("remove what killed builds left: %w", err)
	}
	return nil
}
