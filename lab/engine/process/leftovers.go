package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
)

// locked keeps all others from reserving a name, a subnet or a run meanwhile.
func (e *Engine) locked(ctx context.Context, do func() error) error {
	lock := flock.New(filepath.Join(e.root, ".lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockEvery); err != nil {
		return fmt.Errorf("lock the folder of process labs: %w", e.explain(err))
	}
	defer func() { _ = lock.Close() }()
	return do()
}

// clean removes the runs that a crash kept from being written down, with the keys that they may have: no list has them, and
// so nobody would ever remove them. It needs the lock, under which runs are written down. What cannot be removed keeps
// nobody from having a lab, and is tried again with the next one.
func (e *Engine) clean(ctx context.Context) {
	entries, err := os.ReadDir(e.root)
	if err != nil {
		return
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || checkName(name) != nil {
			continue
		}
		_, there, err := load[labRecord](e.run(name).own(labFile))
		if err != nil || there || len(scan(markRun+name, e.agents.orCaller)) > 0 {
			continue
		}
		_, _ = watchdog.Sweep(ctx, watchdog.Target{Folders: []string{e.run(name).folder}})
	}
}

// claim makes the run of a task where it is not there, and returns what is to be removed after the task. A run that is
// another task's is refused: whichever ended first would take the other's files with it.
func (e *Engine) claim(ctx context.Context, t engine.Task, place string) (made []string, err error) {
	r := e.run(t.Run)
	err = e.locked(ctx, func() error {
		err := r.make(false)
		if errors.Is(err, fs.ErrExist) {
			return r.shared(t)
		}
		made = []string{r.folder}
		if err == nil {
			err = save(r.own(labFile), labRecord{Lab: t.Lab, Run: t.Run, Task: true})
		}
		return err
	})
	if err != nil || len(made) > 0 {
		return made, err
	}
	return e.missing(t, place), nil
}

// shared returns why a task cannot have its files in a run that is there.
func (r run) shared(t engine.Task) error {
	record, there, err := load[labRecord](r.own(labFile))
	if err != nil {
		return err
	}
	if !there || record.Task || record.Lab != t.Lab {
		return fmt.Errorf("%w: run %s is not lab %s's own: give the task another run, or none", engine.ErrExists, t.Run, t.Lab)
	}
	return nil
}
