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

// chatty writes two lines, one more when it is told to, and then waits.
const chatty = `trap "echo last; exit 7" TERM; echo first; echo second >&2; until [ -e go ]; do sleep 0.02; done; echo third; while :; do sleep 0.02; done`

func (w world) logs(t *testing.T, r engine.Ref, follow bool) io.ReadCloser {
	t.Helper()
	logs, err := w.Logs(t.Context(), r, follow)
	must(t, err)
	t.Cleanup(func() { _ = logs.Close() })
	return logs
}

func (w world) demandLog(t *testing.T, r engine.Ref, want string) {
	t.Helper()
	eventually(t, "the whole log", func() string {
		text, err := io.ReadAll(w.logs(t, r, false))
		must(t, err)
		if string(text) != want {
			return "log " + string(text)
		}
		return ""
	})
}

func (w world) tellToGoOn(t *testing.T, node string) {
	t.Helper()
	must(t, os.WriteFile(w.home(node)+"/go", nil, 0o600))
}

func TestLogsHaveEveryLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.script("one", 1, chatty)
	must(t, w.Create(t.Context(), n))
	w.demandLog(t, n.Ref, "")
	_, err := w.Start(t.Context(), n.Ref)
	must(t, err)
	w.demandLog(t, n.Ref, "first\nsecond\n")
	w.tellToGoOn(t, "one")
	w.demandLog(t, n.Ref, "first\nsecond\nthird\n")
	must(t, w.Stop(t.Context(), n.Ref, 10*time.Second))
	w.demandLog(t, n.Ref, "first\nsecond\nthird\nlast\n")
	_, err = w.Start(t.Context(), n.Ref)
	must(t, err)
	w.demandLog(t, n.Ref, "first\nsecond\nthird\nlast\nfirst\nsecond\nthird\n")
}

// TestFollowerHearsEverything from the first line on until the node ends, and no longer.
func TestFollowerHearsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.script("one", 1, chatty)
	w.started(t, n)
	lines := bufio.NewScanner(w.logs(t, n.Ref, true))
	heard := ""
	for lines.Scan() {
		heard += lines.Text() + "\n"
		switch lines.Text() {
		case "second":
			w.tellToGoOn(t, "one")
		case "third":
			must(t, w.Stop(t.Context(), n.Ref, 10*time.Second))
			_, err := w.Start(t.Context(), n.Ref) // what it says then is none of this follower's business, nor does it wait for it
			must(t, err)
		}
	}
	if lines.Err() != nil || !strings.HasPrefix(heard, "first\nsecond\nthird\nlast\n") {
		t.Errorf("heard %q, %v", heard, lines.Err())
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the follower has waited until the second start ended")
	}
}

// TestFollowerEnds when it is closed and when its context ends, while the node goes on.
func TestFollowerEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.script("one", 1, chatty)
	w.started(t, n)
	for name, end := range map[string]func(cancel func(), logs io.Closer) error{
		"closed":    func(_ func(), logs io.Closer) error { return logs.Close() },
		"cancelled": func(cancel func(), _ io.Closer) error { cancel(); return nil },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		logs, err := w.Logs(ctx, n.Ref, true)
		must(t, err)
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
		must(t, end(cancel, logs))
		select {
		case err := <-ended:
			if name == "cancelled" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s, and still reading", name)
		}
		cancel()
		_ = logs.Close()
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the node ended with its follower")
	}
}
