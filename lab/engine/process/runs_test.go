package process_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nomadlab.internal/lab/engine"
)

// TestUnrecordedRunIsRemoved: a run that a crash left without a record may have keys, and no list shows it.
func TestUnrecordedRunIsRemoved(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	must(t, os.Remove(filepath.Join(w.folder(), ".engine", "lab.json")))
	var left []string
	for _, record := range []string{"", "lab.json.new", "lab.json"} {
		run := filepath.Join(w.root, random(""))
		left = append(left, run)
		must(t, os.MkdirAll(filepath.Join(run, ".engine", "nodes"), 0o700))
		must(t, os.MkdirAll(filepath.Join(run, "one", "tls"), 0o700))
		must(t, os.WriteFile(filepath.Join(run, "one", "tls", "key.pem"), []byte("key"), 0o600))
		if record != "" {
			must(t, os.WriteFile(filepath.Join(run, ".engine", record), nil, 0o600))
		}
	}
	other := bareTestLab(t, w.root)
	other.makeNetwork(t)
	third := bareTestLab(t, w.root)
	third.makeNetwork(t)
	for _, run := range left {
		if _, err := os.Lstat(run); err == nil {
			t.Errorf("%s is left", run)
		}
	}
	for _, kept := range []string{w.home("one"), other.folder()} {
		if _, err := os.Lstat(kept); err != nil {
			t.Errorf("control: what runs, and what is written down, is gone: %v", err)
		}
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("a node that runs is not listed")
	}
	must(t, w.Kill(t.Context(), w.ref("one")))
	must(t, third.Remove(t.Context(), third.lab))
	third.makeNetwork(t)
	if _, err := os.Lstat(w.folder()); err == nil {
		t.Error("it is left though it has ended")
	}
}

// TestNewTaskIsKept: a task's run is not removed before its record is written.
func TestNewTaskIsKept(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	over, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for over.Err() == nil {
				n := w.network()
				n.Run = random("")
				if err := w.CreateNetwork(t.Context(), n); !errors.Is(err, engine.ErrExists) {
					t.Errorf("%v, want ErrExists", err)
				}
			}
		})
	}
	for range 20 {
		task := w.task("cat file", engine.Streams{})
		task.Folder = filepath.Join(w.root, task.Run)
		task.Files = []engine.File{{Path: task.Folder + "/file", Mode: 0o600, Data: []byte("x")}}
		if code, err := w.Run(t.Context(), task); err != nil || code != 0 {
			t.Errorf("code %d, %v", code, err)
		}
	}
	stop()
	wait.Wait()
}

// TestRunOfAnotherTask: a task cannot use the run of another; the first to end would remove the other's files.
func TestRunOfAnotherTask(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	var out bytes.Buffer
	first := w.task("echo here; read x; cat file", engine.Streams{})
	first.Folder = filepath.Join(w.root, first.Run)
	first.Files = []engine.File{{Path: first.Folder + "/file", Mode: 0o600, Data: []byte("mine")}}
	in, typed, err := os.Pipe()
	must(t, err)
	defer in.Close()
	first.Stdin = in
	first.Stdout = writerFunc(func(p []byte) (int, error) {
		if out.Len() == 0 {
			second := w.task("exit 0", engine.Streams{})
			second.Run = first.Run
			if code, err := w.Run(t.Context(), second); !errors.Is(err, engine.ErrExists) {
				t.Errorf("the second: code %d, %v, want ErrExists", code, err)
			}
			must(t, typed.Close())
		}
		return out.Write(p)
	})
	if code, err := w.Run(t.Context(), first); err != nil || code != 0 || out.String() != "here\nmine" {
		t.Errorf("the first: code %d, %v, said %q", code, err, out.String())
	}
	other := bareTestLab(t, w.root)
	other.makeNetwork(t)
	strange := w.task("exit 0", engine.Streams{})
	strange.Run = other.run
	if code, err := w.Run(t.Context(), strange); !errors.Is(err, engine.ErrExists) {
		t.Errorf("in another lab's run: code %d, %v, want ErrExists", code, err)
	}
	w.wantGone(t, first.Run)
}

func (w testLab) wantGone(t *testing.T, run string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(w.root, run)); err == nil {
		t.Errorf("run %s is left", run)
	}
}
