package process

import (
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

// Run runs a command to its end as the caller's own user, who may have to read files of this machine. Its files are below
// the folder of the task's run, which is the lab's own or nobody's yet; else the error wraps engine.ErrExists. All that it
// started ends with it, and nothing of it stays.
func (e *Engine) Run(ctx context.Context, t engine.Task) (code int, err error) {
	name := t.Command[0]
	if t.Run == "" {
		t.Run = strings.TrimPrefix(newMark(), markTask)
	}
	if err := e.checkTask(t); err != nil {
		return 0, fmt.Errorf("run %q: %w", name, err)
	}
	place := e.run(t.Run).own("task-" + strings.TrimPrefix(newMark(), markTask))
	made, err := e.claim(ctx, t, place)
	defer func() { err = errors.Join(err, discard(made)) }()
	if err == nil {
		err = e.settle(t, place)
	}
	if err != nil {
		return 0, fmt.Errorf("make a place for %q: %w", name, e.explain(err))
	}
	code, err = e.command(t, place).run(ctx)
	if err != nil {
		return 0, fmt.Errorf("run %q: %w", name, err)
	}
	return code, nil
}

// checkTask refuses a task that has no lab to be run beside.
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

// missing are the topmost paths that will have to be made for the task, and so are to be removed.
func (e *Engine) missing(t engine.Task, place string) []string {
	var out []string
	for _, path := range append(slices.Collect(paths(t.Files)), place) {
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

func paths(files []engine.File) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, f := range files {
			if !yield(filepath.Clean(f.Path)) {
				return
			}
		}
	}
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

// settle puts the task's files into the folder of its run.
func (e *Engine) settle(t engine.Task, place string) error {
	r := e.run(t.Run)
	for _, folder := range []string{place, filepath.Join(place, binFolder), filepath.Join(place, tempFolder)} {
		if err := makeFolder(folder, 0o700); err != nil {
			return err
		}
	}
	if err := os.Symlink(t.Image, filepath.Join(place, binFolder, "nomad")); err != nil {
		return err
	}
	if err := lay(r.folder, t.Files); err != nil {
		return err
	}
	if strings.HasPrefix(t.Folder, r.folder+"/") {
		return os.MkdirAll(t.Folder, 0o700)
	}
	return nil
}

// command has a clean environment, as nodes have.
func (e *Engine) command(t engine.Task, place string) command {
	mark, run, folder := newMark(), t.Run, t.Folder
	if label := t.Labels["run"]; label != "" {
		run = label
	}
	if folder == "" {
		folder = place
	}
	env := append([]string{searchPath(filepath.Join(place, binFolder)), "TMPDIR=" + filepath.Join(place, tempFolder)}, terminal(t.Streams)...)
	env = append(append(env, t.Environment...), markLab+t.Lab, markRun+run, e.at(t.Lab), mark)
	return command{args: t.Command, env: env, folder: folder, mark: mark, alone: true, Streams: t.Streams}
}
