package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

// TestRootFolderRefused: a folder that another user owns or may write to is refused, and stays as it is.
func TestRootFolderRefused(t *testing.T) {
	t.Parallel()
	for name, lay := range map[string]func(t *testing.T, path string) string{
		"a link": func(t *testing.T, path string) string {
			t.Helper()
			target := newRoot(t)
			must(t, os.Mkdir(target, 0o700))
			must(t, os.Symlink(target, path))
			return path
		},
		"a file": func(t *testing.T, path string) string {
			t.Helper()
			must(t, os.WriteFile(path, nil, 0o600))
			return path
		},
		"open to the group": func(t *testing.T, path string) string {
			t.Helper()
			must(t, os.Mkdir(path, 0o700))
			must(t, os.Chmod(path, 0o730))
			return path
		},
		"readable by all": func(t *testing.T, path string) string {
			t.Helper()
			must(t, os.Mkdir(path, 0o700))
			must(t, os.Chmod(path, 0o755))
			return path
		},
		"another user's": func(t *testing.T, path string) string {
			t.Helper()
			if os.Geteuid() != 0 {
				return "/etc" // root's
			}
			must(t, os.Mkdir(path, 0o700))
			must(t, os.Chown(path, agentsUser, agentsUser))
			return path
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := lay(t, newRoot(t))
			before, err := os.Lstat(path)
			must(t, err)
			_, err = process.NewIn(path)
			if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "TMPDIR") {
				t.Errorf("%v, want ErrUnavailable with the folder and what mends it", err)
			}
			if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() {
				t.Errorf("it is %v now, %v", after, err)
			}
		})
	}
}

func TestRootFolder(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	must(t, os.Mkdir(root, 0o700))
	want := "drwx------"
	if os.Geteuid() == 0 {
		want = "drwx--x--x"
	}
	for range 2 {
		_, err := process.NewIn(root)
		must(t, err)
		if info, err := os.Lstat(root); err != nil || info.Mode().String() != want {
			t.Errorf("%v, %v, want %s", info.Mode(), err, want)
		}
	}
	if _, err := process.NewIn(filepath.Join(root, "no", "such")); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("below a folder that is not there: %v", err)
	}
}

// TestRootFolderMustBeEnterable: nodes that root starts have other users, which must be able to enter their folders.
func TestRootFolderMustBeEnterable(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	must(t, os.Chmod(filepath.Dir(root), 0o700))
	_, err := process.NewIn(root)
	if os.Geteuid() != 0 {
		must(t, err)
		return
	}
	if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), filepath.Dir(root)) {
		t.Errorf("%v, want ErrUnavailable with the folder that they cannot enter", err)
	}
}

// TestDefaultRootFolder: the folder's name has the user ID, so that users have different folders.
func TestDefaultRootFolder(t *testing.T) {
	folder := filepath.Dir(newRoot(t))
	t.Setenv("TMPDIR", folder)
	e, err := process.New()
	must(t, err)
	entries, err := os.ReadDir(folder)
	must(t, err)
	if len(entries) != 1 || filepath.Join(folder, entries[0].Name()) != e.Site().Folder || !strings.HasPrefix(entries[0].Name(), "nomadlab-") {
		t.Errorf("%v and %s", entries, e.Site().Folder)
	}
}

// TestProgramIsLinkedOrCopied: a binary that the nodes' users cannot reach or execute is linked or copied, once a run.
func TestProgramIsLinkedOrCopied(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	hidden := filepath.Join(t.TempDir(), "hidden")
	must(t, os.Mkdir(hidden, 0o700))
	for i, mode := range []os.FileMode{0o755, 0o700} {
		program := filepath.Join(hidden, "nomad-"+mode.String()[1:])
		must(t, os.WriteFile(program, []byte("#!/bin/sh\nprintenv NOMADLAB_NODE > ran\nexec sleep 1000\n"), 0o600))
		must(t, os.Chmod(program, mode))
		for _, more := range []string{"a", "b"} {
			n := w.script(more+program[len(program)-2:], 2*i, "")
			n.Image, n.Command = program, []string{"nomad"}
			w.started(t, n)
			if ran := untilFile(t, w.home(n.Node)+"/ran"); ran != n.Node {
				t.Errorf("%s ran as %s", n.Node, ran)
			}
			must(t, w.Kill(t.Context(), n.Ref))
			must(t, os.RemoveAll(w.home(n.Node)))
			must(t, os.RemoveAll(filepath.Join(w.folder(), ".engine", "nodes", n.Node)))
		}
	}
	copies, err := filepath.Glob(filepath.Join(w.folder(), ".engine", "bin", "*", "*"))
	must(t, err)
	if want := map[bool]int{true: 2}[os.Geteuid() == 0]; len(copies) != want {
		t.Errorf("%v, want %d", copies, want)
	}
}
