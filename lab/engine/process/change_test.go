package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

// TestChildrenOfARestartedProgram: they go on until the node is stopped, killed, or ends by itself, also if another process has
// started the node or restarts it.
func TestChildrenOfARestartedProgram(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(testLab, *testing.T, engine.Ref){
		"stop":   func(w testLab, t *testing.T, r engine.Ref) { must(t, w.Stop(t.Context(), r, testTimeout)) },
		"kill":   func(w testLab, t *testing.T, r engine.Ref) { must(t, w.Kill(t.Context(), r)) },
		"remove": func(w testLab, t *testing.T, _ engine.Ref) { must(t, w.Remove(t.Context(), w.lab)) },
		"end": func(w testLab, t *testing.T, _ engine.Ref) {
			must(t, os.WriteFile(w.home("one")+"/end", nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestLab(t)
			n := w.script("one", 1, `[ -e child ] || { sleep 100000 & echo $! >child; }; echo up; trap "exit 7" TERM; until [ -e end ]; do sleep 0.05; done`)
			w.started(t, n)
			w.wantLog(t, n.Ref, "up\n")
			other, err := process.NewIn(w.root)
			must(t, err)
			said := "up\n"
			for _, e := range []*process.Engine{w.Engine, other} {
				_, err := e.RestartProgram(t.Context(), n.Ref, engine.Restart{Grace: testTimeout})
				must(t, err)
				said += "up\n"
				w.wantLog(t, n.Ref, said)
			}
			child := w.childOf(t)
			if !w.runs(t, child) {
				t.Fatal("the child has ended with the program")
			}
			end(w, t, n.Ref)
			eventually(t, "the child has ended", func() string {
				if w.runs(t, child) {
					return "it goes on"
				}
				return ""
			})
		})
	}
}

// TestReplacedBinary: a node keeps its binary if the new one is missing, and otherwise its state has the new one.
func TestReplacedBinary(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("one", 1, `trap "exit 7" TERM; while :; do sleep 0.05; done`)
	w.started(t, n)
	_, err := w.RestartProgram(t.Context(), n.Ref, engine.Restart{Grace: testTimeout, Binary: "/no/such/nomad"})
	if err == nil || !w.state(t, "one").Running {
		t.Fatalf("a binary that is missing: %v, want an error, and that the node goes on", err)
	}
	binary := filepath.Join(t.TempDir(), "nomad-of-another-version")
	must(t, os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o600))
	must(t, os.Chmod(binary, 0o755))
	s, err := w.RestartProgram(t.Context(), n.Ref, engine.Restart{Grace: testTimeout, Binary: binary})
	if err != nil || s.Image != binary || w.state(t, "one").Image != binary {
		t.Errorf("it runs %s, %v, want %s", s.Image, err, binary)
	}
}

// TestRestartKillsWhatTheProgramSupervises: when a supervisor of the node's binary is killed, so is the binary, which would keep
// the node's ports. Nothing else is.
func TestRestartKillsWhatTheProgramSupervises(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.service("one", 1)
	n.Command = []string{"sh", "-c", `trap "" TERM; [ -e child ] || { sleep 100000 & echo $! >child; }; nomad ` + n.Command[1] + ` & wait; while :; do sleep 0.05; done`}
	s := w.started(t, n)
	answers(t, s.From, s.Endpoints[port], "/")
	before := w.processes(t)
	child := w.childOf(t)
	_, err := w.RestartProgram(t.Context(), n.Ref, engine.Restart{Grace: time.Second})
	must(t, err)
	answers(t, s.From, s.Endpoints[port], "/")
	eventually(t, "as many processes as before", func() string {
		if now := w.processes(t); len(now) != len(before) {
			return "another number"
		}
		return ""
	})
	if !w.runs(t, child) {
		t.Error("another child was killed")
	}
}

// childOf returns the process that the node has started, from its file.
func (w testLab) childOf(t *testing.T) (pid int) {
	t.Helper()
	eventually(t, "the node has a child", func() string {
		text, err := os.ReadFile(w.home("one") + "/child")
		if err != nil {
			return err.Error()
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return err.Error()
		}
		return ""
	})
	return pid
}

// runs reports whether a process of the lab runs.
func (w testLab) runs(t *testing.T, pid int) bool {
	t.Helper()
	return slices.Contains(w.processes(t), pid)
}

// TestCopyInStaysInside: CopyIn writes nothing outside the node's folder, not even through a link that a task has made.
func TestCopyInStaysInside(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	w.started(t, w.service("one", 1))
	outside := t.TempDir()
	must(t, os.Symlink(outside, w.home("one")+"/link"))
	must(t, os.WriteFile(outside+"/kept", []byte("kept"), 0o600))
	must(t, os.Symlink(outside+"/kept", w.home("one")+"/config/linked"))
	for _, path := range []string{outside + "/file", w.home("one") + "/../escaped", w.home("one") + "/link/file", "file"} {
		if err := w.CopyIn(t.Context(), w.ref("one"), []engine.File{{Path: path, Mode: 0o600, Data: []byte("x")}}); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	must(t, w.CopyIn(t.Context(), w.ref("one"), []engine.File{{Path: w.home("one") + "/config/linked", Mode: 0o600, Data: []byte("x")}}))
	for path, want := range map[string]string{outside + "/kept": "kept", w.home("one") + "/config/linked": "x"} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s has %q, %v, want %q", path, text, err, want)
		}
	}
	for _, path := range []string{outside + "/file", w.folder() + "/escaped"} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
	if left, err := filepath.Glob(w.home("one") + "/config/.nomadlab-*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
