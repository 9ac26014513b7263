package process_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExitCodeIsOverwritten: the process of an earlier start may have written a longer exit code late.
func TestExitCodeIsOverwritten(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	w.started(t, w.script("one", 1, "until test -e go; do sleep 0.01; done; exit 3"))
	note := filepath.Join(w.folder(), ".engine", "nodes", "one", "exit")
	must(t, os.WriteFile(note, []byte("137"), 0o600))
	must(t, os.WriteFile(w.home("one")+"/go", nil, 0o600))
	eventually(t, "the exit code is noted", func() string {
		text, err := os.ReadFile(note)
		must(t, err)
		if string(text) == "3" {
			return ""
		}
		return string(text)
	})
}
