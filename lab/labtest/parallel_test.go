package labtest_test

import (
	"testing"
	"time"
)

// present demands that a lab which was reported as ready exists.
func present(t *testing.T, f facts, home string) {
	t.Helper()
	seen, run := look(t, f.Name, home)
	if seen.Nodes == 0 || seen.Networks != 1 || seen.Keys == 0 || run != f.Run || run == "" {
		t.Errorf("of lab %s, which is ready, there are %s, run %q, want %q", f.Name, seen, run, f.Run)
	}
}

// demandLabsAtOnce looks at labs that are up together, and at nothing of them when their tests have ended.
func demandLabsAtOnce(t *testing.T, home string, processes ...*children) {
	t.Helper()
	var labs []facts
	for _, p := range processes {
		labs = append(labs, p.ready(t, p.count)...)
	}
	apart(t, labs)
	for _, l := range labs {
		present(t, l, home)
	}
	for _, p := range processes {
		if err := p.end(); err != nil {
			t.Errorf("%v:\n%s", err, p.printed)
		}
	}
	for _, l := range labs {
		gone(t, l.Name, l.Run, home, 0)
	}
}

// TestLabsAtOnce has six clusters in one process, and one more in another, as a second package has under go test.
func TestLabsAtOnce(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	began := time.Now()
	demandLabsAtOnce(t, home, launch(t, home, "hold", 6), launch(t, home, "hold", 1))
	t.Logf("seven labs came and went in %.1f s", time.Since(began).Seconds())
}
