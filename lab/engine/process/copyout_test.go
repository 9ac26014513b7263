package process_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
)

// TestFilesComeOut of a node that was created, and of one that has ended.
func TestFilesComeOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	folder := filepath.Join(w.home("one"), "out")
	n.Files = append(n.Files,
		engine.File{Path: folder, Mode: fs.ModeDir | 0o700},
		engine.File{Path: folder + "/key.pem", Mode: 0o600, Data: []byte("secret")},
		engine.File{Path: folder + "/sub", Mode: fs.ModeDir | 0o755},
		engine.File{Path: folder + "/sub/deep", Mode: 0o644, Data: []byte("deeper")},
	)
	demand := func(when string) {
		t.Helper()
		files, err := w.CopyOut(t.Context(), n.Ref, folder)
		got := map[string]string{}
		for _, f := range files {
			got[f.Path] = fmt.Sprintf("%s %d %s", f.Mode, f.Owner, f.Data)
		}
		if diff := cmp.Diff(map[string]string{folder + "/key.pem": fmt.Sprintf("-rw------- %d secret", user())}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
	}
	must(t, w.Create(t.Context(), n))
	demand("created")
	_, err := w.Start(t.Context(), n.Ref)
	must(t, err)
	must(t, w.Kill(t.Context(), n.Ref))
	demand("ended")
	for _, c := range []struct {
		r      engine.Ref
		folder string
	}{{n.Ref, folder + "/gone"}, {w.ref("nobody"), folder}} {
		if files, err := w.CopyOut(t.Context(), c.r, c.folder); !errors.Is(err, engine.ErrNotFound) || len(files) > 0 {
			t.Errorf("%s of %s: %v, %v, want ErrNotFound", c.folder, c.r, files, err)
		}
	}
}

// TestNothingElseComesOut: what a task has put into its node's folder leads nobody out of it, and holds nobody up.
func TestNothingElseComesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	must(t, w.Create(t.Context(), n))
	stranger := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(stranger, []byte("root"), 0o600))
	must(t, os.Symlink(stranger, w.home("one")+"/config/link"))
	must(t, os.Symlink(filepath.Dir(stranger), w.home("one")+"/away"))
	must(t, syscall.Mkfifo(w.home("one")+"/config/pipe", 0o600))
	files, err := w.CopyOut(t.Context(), n.Ref, w.home("one")+"/config")
	if err != nil || len(files) != 1 || string(files[0].Data) != "content\n" {
		t.Errorf("got %v, %v, want the one file alone", files, err)
	}
	for _, outside := range []string{w.home("one") + "/away", w.home("one") + "/../..", filepath.Dir(stranger)} {
		if files, err := w.CopyOut(t.Context(), n.Ref, outside); err == nil {
			t.Errorf("%s came out: %v", outside, files)
		}
	}
}
