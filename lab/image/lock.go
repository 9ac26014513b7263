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

// lockPoll is the time between two attempts to take the lock; flock has no wait that can be cancelled.
const lockPoll = 50 * time.Millisecond

// lockFile returns the name of the part's lock. Each part has its own, so that a run that makes an image of Nomad does not wait
// for a run that builds Vault.
func (p Part) lockFile() string {
	if p.orNomad() == Nomad {
		return "lock"
	}
	return p.Name() + "-lock"
}

// workPrefix returns the beginning of the names of the part's work folders.
func (p Part) workPrefix() string {
	if p.orNomad() == Nomad {
		return "build-"
	}
	return p.Name() + "-build-"
}

// withLock waits until no other run of this user makes a binary or an image of the part, and then calls do, which must check
// again whether its result exists. work is a folder that is removed afterwards. what appears in the progress of a run that
// waits.
func (w *builder) withLock(ctx context.Context, what string, do func(work string) error) (err error) {
	if err := os.MkdirAll(w.cache, 0o700); err != nil {
		return fmt.Errorf("make the cache of binaries: %w", err)
	}
	lock := flock.New(filepath.Join(w.cache, w.part.lockFile()), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if err := w.acquire(ctx, lock, what); err != nil {
		return err
	}
	if err := sweep(w.cache, w.part); err != nil {
		return err
	}
	work, err := os.MkdirTemp(w.cache, w.part.workPrefix())
	if err != nil {
		return fmt.Errorf("make the work folder of a build: %w", outOfSpace(err, w.cache))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	return do(work)
}

func (w *builder) acquire(ctx context.Context, lock *flock.Flock, what string) error {
	got, err := lock.TryLock()
	if err == nil && !got {
		stop := w.progress.every(time.Second, func(elapsed time.Duration) Event {
			text := fmt.Sprintf("waiting for another run, which makes a binary or an image of %s now (for %s): %s", w.part.Title(), what, clock(elapsed))
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

// removeStaleWork removes the work folders of killed builds of any part, some gigabytes, unless a build of that part is under
// way and has the lock. It ignores errors, because they do not matter for a program that exists already.
func (w *builder) removeStaleWork() {
	for _, part := range Parts() {
		if left, err := workFolders(w.cache, part); err != nil || len(left) == 0 {
			continue
		}
		lock := flock.New(filepath.Join(w.cache, part.lockFile()), flock.SetPermissions(0o600))
		if got, err := lock.TryLock(); err == nil && got {
			_ = sweep(w.cache, part)
		}
		_ = lock.Close()
	}
}

// workFolders returns the part's existing work folders. It does not use a glob, because the user's path may have its
// characters.
func workFolders(cache string, p Part) ([]string, error) {
	entries, err := os.ReadDir(cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var left []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), p.workPrefix()) {
			left = append(left, filepath.Join(cache, e.Name()))
		}
	}
	return left, err
}

// sweep removes all work folders of the part. The caller holds the lock, so they are of runs that were killed.
func sweep(cache string, p Part) error {
	left, err := workFolders(cache, p)
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		return fmt.Errorf("remove what killed builds left: %w", err)
	}
	return nil
}
