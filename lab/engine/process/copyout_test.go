package process_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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
