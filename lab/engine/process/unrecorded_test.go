package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLostFolder: a node that runs is listed, stopped and removed, even if its lab's folder is lost.
func TestLostFolder(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w testLab) error{
		"kill":   func(w testLab) error { return w.Kill(t.Context(), w.ref("one")) },
		"stop":   func(w testLab) error { return w.Stop(t.Context(), w.ref("one"), 0) },
		"remove": func(w testLab) error { return w.Remove(t.Context(), w.lab) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestLab(t)
			began := w.started(t, w.script("one", 1, "sleep 1000 & wait"))
			must(t, os.RemoveAll(w.folder()))
			s := w.state(t, "one")
			if !s.Running || s.ID != began.ID || s.Started.Sub(began.Started).Abs().Seconds() > 2 {
				t.Errorf("the state of a lost node: running %v, ID %q, started %s, want %s", s.Running, s.ID, s.Started, began.Started)
			}
			labs, err := w.Labs(t.Context())
			must(t, err)
			if lab := labs[w.lab]; len(lab.Nodes) != 1 || lab.Labels["run"] != w.run {
				t.Errorf("a lost lab: %v", lab)
			}
			must(t, end(w))
			if left := w.processes(t); len(left) != 0 {
				t.Errorf("processes %v are left", left)
			}
			if labs, err := w.Labs(t.Context()); err != nil || len(labs[w.lab].Nodes) != 0 {
				t.Errorf("it is still listed: %v, %v", labs, err)
			}
		})
	}
}

// TestRemoveChecksName: a path must not be removed as if it were a name.
func TestRemoveChecksName(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	for _, name := range []string{"", ".", "..", "a/b"} {
		if err := w.Remove(t.Context(), name); err == nil {
			t.Errorf("lab %q was removed", name)
		}
	}
}

// TestLabsOfOtherFolders: labs of another folder are neither listed nor removed, even by root and with the same name.
func TestLabsOfOtherFolders(t *testing.T) {
	t.Parallel()
	w, other := newTestLab(t), bareTestLab(t, newRoot(t))
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	must(t, os.RemoveAll(w.folder())) // lost, and all the same none of the other's
	labs, err := other.Labs(t.Context())
	states, err2 := other.Nodes(t.Context(), w.lab)
	if err != nil || err2 != nil || len(labs) != 0 || len(states) != 0 {
		t.Errorf("listed: %v, %v, %v", labs, states, errors.Join(err, err2))
	}
	must(t, other.Remove(t.Context(), w.lab))
	if s := w.state(t, "one"); !s.Running {
		t.Error("a lab of another folder was removed")
	}
}

// TestBrokenRecord: an incomplete record, as after a power cut, does not affect other labs.
func TestBrokenRecord(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	must(t, os.MkdirAll(filepath.Join(w.root, "broken", ".engine"), 0o700))
	must(t, os.WriteFile(filepath.Join(w.root, "broken", ".engine", "lab.json"), nil, 0o600))
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	if labs, err := w.Labs(t.Context()); err != nil || len(labs) != 1 {
		t.Errorf("%v, %v", labs, err)
	}
}
