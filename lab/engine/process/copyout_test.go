package process_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestCopyOutOfHostileFolder: CopyOut follows no link out of a node's folder, and does not wait for a pipe.
func TestCopyOutOfHostileFolder(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.service("one", 1)
	must(t, w.Create(t.Context(), n))
	foreign := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(foreign, []byte("root"), 0o600))
	must(t, os.Symlink(foreign, w.home("one")+"/config/link"))
	must(t, os.Symlink(filepath.Dir(foreign), w.home("one")+"/away"))
	must(t, syscall.Mkfifo(w.home("one")+"/config/pipe", 0o600))
	files, err := w.CopyOut(t.Context(), n.Ref, w.home("one")+"/config")
	if err != nil || len(files) != 1 || string(files[0].Data) != "content\n" {
		t.Errorf("got %v, %v, want the one file alone", files, err)
	}
	for _, outside := range []string{w.home("one") + "/away", w.home("one") + "/../..", filepath.Dir(foreign)} {
		if files, err := w.CopyOut(t.Context(), n.Ref, outside); err == nil {
			t.Errorf("%s came out: %v", outside, files)
		}
	}
}
