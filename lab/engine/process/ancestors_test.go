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

// TestWritableAncestors: a user who may write to a folder above could replace the engine's folder.
func TestWritableAncestors(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		mode   os.FileMode
		uid    int
		refuse bool
	}{
		"our own":                   {mode: 0o711, uid: os.Geteuid()},
		"ours, sticky":              {mode: os.ModeSticky | 0o777, uid: os.Geteuid()},
		"open to all":               {mode: 0o777, uid: os.Geteuid(), refuse: true},
		"open to the group":         {mode: 0o775, uid: os.Geteuid(), refuse: true},
		"group's by another's hand": {mode: 0o731, uid: os.Geteuid(), refuse: true},
	}
	if os.Geteuid() == 0 { // only root can change a folder's owner
		other, sticky := cases["our own"], cases["ours, sticky"]
		other.uid, other.refuse = nobody, true
		sticky.uid, sticky.refuse = nobody, true
		cases["another user's"], cases["another user's, sticky"] = other, sticky
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			above := filepath.Dir(newRoot(t))
			must(t, os.Mkdir(above+"/between", 0o711)) //nolint:gosec,nolintlint // agents pass
			must(t, os.Chown(above, c.uid, -1))
			must(t, os.Chmod(above, c.mode))
			link := filepath.Join(filepath.Dir(newRoot(t)), "link")
			must(t, os.Symlink(above, link))
			for asked, resolved := range map[string]string{
				above + "/one": above + "/one", above + "/between/two": above + "/between/two", link + "/three": above + "/three",
			} {
				e, err := process.NewIn(asked)
				if !c.refuse {
					must(t, err)
					if got := e.Site().Folder; got != resolved {
						t.Errorf("%s: its labs are in %s, want %s", asked, got, resolved)
					}
					continue
				}
				if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), above+" ") || !strings.Contains(err.Error(), "TMPDIR") {
					t.Errorf("%s: %v, want ErrUnavailable with %s and what mends it", asked, err, above)
				}
				if _, err := os.Lstat(resolved); err == nil {
					t.Errorf("%s was made all the same", resolved)
				}
			}
		})
	}
}
