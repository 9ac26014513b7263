package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/engine"
)

// Run runs a command to its end as the caller's own user, so that it can read files of this machine. The task's files are
// below the folder of its run, which is the lab's or a new one; otherwise the error wraps engine.ErrExists. All processes
// that the command started are killed at its end, and its files are removed.
func (e *Engine) Run(ctx context.Context, t engine.Task) (code int, err error) {
	name := t.Command[0]
	if t.Run == "" {
		t.Run = strings.TrimPrefix(newMark(), markTask)
	}
	if err := e.checkTask(t); err != nil {
		return 0, fmt.Errorf("run %q: %w", name, err)
	}
	folder := e.run(t.Run).own("task-" + strings.TrimPrefix(newMark(), markTask))
	made, err := e.claim(ctx, t, folder)
	defer func() { err = errors.Join(err, discard(made)) }()
	if err == nil {
		err = e.prepareTask(t, folder)
	}
	if err != nil {
		return 0, fmt.Errorf("make the folder of %q: %w", name, e.explain(err))
	}
	code, err = e.command(t, folder).run(ctx)
	if err != nil {
		return 0, fmt.Errorf("run %q: %w", name, err)
	}
	return code, nil
}

// checkTask returns why a task cannot be run. Its lab must exist.
func (e *Engine) checkTask(t engine.Task) error {
	if err := errors.Join(checkName(t.Lab), checkName(t.Run)); err != nil {
		return err
	}
	if err := checkProgram(t.Image); err != nil {
		return err
	}
	runs, err := e.runs()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(runs, func(r labRecord) bool { return r.Lab == t.Lab && !r.Task }) {
		return fmt.Errorf("%w: lab %s", engine.ErrNotFound, t.Lab)
	}
	return nil
}

// newPaths returns the topmost paths that do not exist yet and that are made for the task.
func (e *Engine) newPaths(t engine.Task, folder string) []string {
	paths := []string{folder}
	for _, f := range t.Files {
		paths = append(paths, filepath.Clean(f.Path))
	}
	var out []string
	for _, path := range paths {
		top := ""
		for ; strings.HasPrefix(path, e.root+"/"); path = filepath.Dir(path) {
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
				top = path
			}
		}
		if top != "" {
			out = append(out, top)
		}
	}
	return out
}

func discard(paths []string) error {
	var failed []error
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			failed = append(failed, fmt.Errorf("remove what a command was given: %w", err))
		}
	}
	return errors.Join(failed...)
}

// prepareTask makes the task's own folder, and writes its files into the folder of its run.
func (e *Engine) prepareTask(t engine.Task, folder string) error {
	r := e.run(t.Run)
	for _, path := range []string{folder, filepath.Join(folder, binFolder), filepath.Join(folder, tempFolder)} {
		if err := makeFolder(path, 0o700); err != nil {
			return err
		}
	}
	if err := os.Symlink(t.Image, filepath.Join(folder, binFolder, cmp.Or(t.Program, usualProgram))); err != nil {
		return err
	}
	if err := writeFiles(r.folder, t.Files); err != nil {
		return err
	}
	if strings.HasPrefix(t.Folder, r.folder+"/") {
		return os.MkdirAll(t.Folder, 0o700)
	}
	return nil
}

// command returns the task's command. Its environment has none of the caller's variables.
func (e *Engine) command(t engine.Task, folder string) command {
	mark := newMark()
	env := append([]string{searchPath(filepath.Join(folder, binFolder)), "TMPDIR=" + filepath.Join(folder, tempFolder)}, terminal(t.Streams)...)
	env = append(append(env, t.Environment...), markLab+t.Lab, markRun+cmp.Or(t.Labels["run"], t.Run), e.markOf(t.Lab), mark)
	return command{args: t.Command, env: env, folder: cmp.Or(t.Folder, folder), mark: mark, killAfter: true, Streams: t.Streams}
}
