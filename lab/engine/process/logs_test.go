package process_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

// twoLines writes two lines, one more when a file exists, and then waits.
const twoLines = `trap "echo last; exit 7" TERM; echo first; echo second >&2; until [ -e go ]; do sleep 0.02; done; echo third; while :; do sleep 0.02; done`

func (w testLab) logs(t *testing.T, r engine.Ref, follow bool) io.ReadCloser {
	t.Helper()
	logs, err := w.Logs(t.Context(), r, follow)
	must(t, err)
	t.Cleanup(func() { _ = logs.Close() })
	return logs
}

func (w testLab) wantLog(t *testing.T, r engine.Ref, want string) {
	t.Helper()
	eventually(t, "the whole log", func() string {
		logs, err := w.Logs(t.Context(), r, false)
		must(t, err)
		text, err := io.ReadAll(logs)
		must(t, errors.Join(err, logs.Close()))
		if string(text) != want {
			return "log " + string(text)
		}
		return ""
	})
}

func (w testLab) letGoOn(t *testing.T, node string) {
	t.Helper()
	must(t, os.WriteFile(w.home(node)+"/go", nil, 0o600))
}

// TestFollowerEndsWithItsStart: a follower returns nothing of the next start and does not wait for it. Both outputs are one
// file, so their lines are in order.
func TestFollowerEndsWithItsStart(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("one", 1, twoLines)
	w.started(t, n)
	lines := bufio.NewScanner(w.logs(t, n.Ref, true))
	heard := ""
	for lines.Scan() {
		heard += lines.Text() + "\n"
		switch heard {
		case "first\nsecond\n":
			w.letGoOn(t, "one")
		case "first\nsecond\nthird\n":
			must(t, w.Stop(t.Context(), n.Ref, testTimeout))
			_, err := w.Start(t.Context(), n.Ref)
			must(t, err)
		}
	}
	if lines.Err() != nil || !strings.HasPrefix(heard, "first\nsecond\nthird\nlast\n") {
		t.Errorf("heard %q, %v", heard, lines.Err())
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the follower has waited until the second start ended")
	}
	w.wantLog(t, n.Ref, "first\nsecond\nthird\nlast\nfirst\nsecond\nthird\n")
}

// TestFollowerEndsWithItsContext: it returns the context's error, while the node goes on.
func TestFollowerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("one", 1, twoLines)
	w.started(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	logs, err := w.Logs(ctx, n.Ref, true)
	must(t, err)
	defer logs.Close()
	heard, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		r := bufio.NewReader(logs)
		_, err1 := r.ReadString('\n')
		_, err2 := r.ReadString('\n')
		heard <- errors.Join(err1, err2)
		_, err := io.Copy(io.Discard, r)
		ended <- err
	}()
	must(t, <-heard)
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
	case <-time.After(testTimeout):
		t.Error("cancelled, and still reading")
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the node ended with its follower")
	}
}
