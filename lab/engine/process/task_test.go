package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
)

func (w testLab) task(script string, s engine.Streams) engine.Task {
	n := engine.Node{Ref: engine.Ref{Lab: w.lab}, Run: random("task-"), Image: w.image, Command: []string{"sh", "-c", script}}
	return engine.Task{Node: n, Streams: s}
}

// wantNoTask fails the test if the root folder has more than the lab.
func (w testLab) wantNoTask(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(w.root)
	must(t, err)
	for _, entry := range entries {
		if entry.Name() != w.run && entry.Name() != ".lock" {
			t.Errorf("%s is left in the folder of labs", entry.Name())
		}
	}
	own, err := filepath.Glob(filepath.Join(w.folder(), ".engine", "task-*"))
	if err != nil || len(own) != 0 {
		t.Errorf("%v is left in the folder of the lab, %v", own, err)
	}
}

// TestTaskUser: a task runs as the caller, also in a folder of the caller's, and is neither a node nor a lab.
func TestTaskUser(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	for name, folder := range map[string]string{"in its own folder": "", "in one of the caller's": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			task := w.task(`pwd; cat "$F"; id -u; echo "$NOMADLAB_LAB $NOMADLAB_RUN $NOMADLAB_NODE."; stat -c %a "$F" "${F%/*}"`, engine.Streams{})
			own := filepath.Join(w.root, task.Run, "tls")
			task.Folder = folder
			if folder == "" {
				task.Folder = own + "/work"
			}
			task.Environment = []string{"F=" + own + "/file"}
			task.Labels = map[string]string{"run": "labelled"}
			task.Files = []engine.File{{Path: own, Mode: fs.ModeDir | 0o710}, {Path: own + "/file", Mode: 0o640, Data: []byte("content\n")}}
			task.Stdout = writerFunc(func(p []byte) (int, error) {
				labs, err := w.Labs(t.Context())
				if states, err2 := w.Nodes(t.Context(), w.lab); err != nil || err2 != nil || len(states) != 0 || len(labs) != 1 {
					t.Errorf("the task is taken for a node or a lab: %v, %v, %v", states, labs, errors.Join(err, err2))
				}
				return out.Write(p)
			})
			code, err := w.Run(t.Context(), task)
			want := fmt.Sprintf("%s\ncontent\n%d\n%s labelled .\n640\n710\n", task.Folder, os.Geteuid(), w.lab)
			if err != nil || code != 0 || out.String() != want {
				t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
			}
			w.wantNoTask(t)
		})
	}
}

// TestTaskPath: a task finds its nomad, whatever the binary's folder and name.
func TestTaskPath(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	task := w.task("", engine.Streams{})
	task.Image = filepath.Join(t.TempDir(), "nomad-1.11.3")
	must(t, os.WriteFile(task.Image, []byte("#!/bin/sh\nexit 9\n"), 0o600))
	must(t, os.Chmod(task.Image, 0o700))
	task.Command = []string{"nomad", "version"}
	if code, err := w.Run(t.Context(), task); err != nil || code != 9 {
		t.Errorf("code %d, %v", code, err)
	}
}

// TestTaskKillsDescendants: processes that a task has started end with it, as they would in a container.
func TestTaskKillsDescendants(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	var out bytes.Buffer
	code, err := w.Run(t.Context(), w.task("setsid sleep 1000 & echo $!; exit 4", engine.Streams{Stdout: &out}))
	if err != nil || code != 4 {
		t.Fatalf("code %d, %v", code, err)
	}
	if left := w.processes(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if strings.TrimSpace(out.String()) == "" {
		t.Error("it started nothing, so this proves nothing")
	}
}

// TestTaskInLabsRun: at its end, a task's own files are removed, and none of the lab's.
func TestTaskInLabsRun(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	task := w.task("exit 0", engine.Streams{})
	task.Run = w.run
	task.Files = []engine.File{
		{Path: w.folder() + "/cli/tls/key", Mode: 0o600, Data: []byte("x")}, {Path: w.home("one") + "/key", Mode: 0o600, Data: []byte("x")},
	}
	if code, err := w.Run(t.Context(), task); err != nil || code != 0 {
		t.Errorf("code %d, %v", code, err)
	}
	for _, path := range []string{w.folder() + "/cli", w.home("one") + "/key"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the node ended with the task")
	}
	w.wantNoTask(t)
}

// TestTaskEndsWithItsLab: removing a lab removes its tasks and their files.
func TestTaskEndsWithItsLab(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	removed := make(chan error, 1)
	task := w.task("echo here; sleep 1000", engine.Streams{Stdout: onWrite(func() { removed <- w.Remove(context.Background(), w.lab) })})
	code, err := w.Run(t.Context(), task)
	must(t, <-removed)
	if err != nil || code != 137 {
		t.Errorf("code %d, %v", code, err)
	}
	if _, err := os.Lstat(filepath.Join(w.root, task.Run)); err == nil {
		t.Error("its files are left")
	}
}

// TestTaskFilesOutside: a task must be in a lab, and its files below the folder of its run.
func TestTaskFilesOutside(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	outside := filepath.Join(t.TempDir(), "file")
	for name, spoil := range map[string]func(*engine.Task){
		"no such folder": func(task *engine.Task) { task.Folder = "/no/such" },
		"a file outside": func(task *engine.Task) {
			task.Files = []engine.File{{Path: outside, Mode: 0o600, Data: []byte("x")}}
		},
		"a run that climbs": func(task *engine.Task) { task.Run = "../x" },
	} {
		task := w.task("exit 0", engine.Streams{})
		if code, err := w.Run(t.Context(), task); err != nil || code != 0 {
			t.Fatalf("the control: code %d, %v", code, err)
		}
		spoil(&task)
		if code, err := w.Run(t.Context(), task); err == nil {
			t.Errorf("%s: code %d and no error", name, code)
		}
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("a file was written outside")
	}
	w.wantNoTask(t)
}
