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
	// lockPoll is the time between two attempts to take the lock; flock has no wait that can be cancelled.
	lockPoll = 50 * time.Millisecond
)

// withLock waits until no other run of this user makes a binary or an image, and then calls do, which must check again
// whether its result exists. work is a folder that is removed afterwards. what appears in the progress of a run that waits.
func (w *builder) withLock(ctx context.Context, what string, do func(work string) error) (err error) {
	if err := os.MkdirAll(w.cache, 0o700); err != nil {
		return fmt.Errorf("make the cache of binaries: %w", err)
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

func (w *builder) acquire(ctx context.Context, lock *flock.Flock, what string) error {
	got, err := lock.TryLock()
	if err == nil && !got {
		stop := w.progress.every(time.Second, func(elapsed time.Duration) Event {
			text := fmt.Sprintf("waiting for another run, which makes a binary or an image now (for %s): %s", what, clock(elapsed))
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

// removeStaleWork removes the work folders of killed builds, some gigabytes, unless a build is under way and has the lock. It
// ignores errors, because they do not matter for a program that exists already.
func (w *builder) removeStaleWork() {
	if left, err := workFolders(w.cache); err != nil || len(left) == 0 {
		return
	}
	lock := flock.New(filepath.Join(w.cache, lockFile), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if got, err := lock.TryLock(); err == nil && got {
		_ = sweep(w.cache)
	}
}

// workFolders returns the existing work folders. It does not use a glob, because the user's path may have its characters.
func workFolders(cache string) ([]string, error) {
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

// sweep removes all work folders. The caller holds the lock, so they are of runs that were killed.
func sweep(cache string) error {
	left, err := workFolders(cache)
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		return fmt.Errorf("remove what killed builds left: %w", err)
	}
	return nil
}
