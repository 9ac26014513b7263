package docker_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

// chatty writes a line before the test looks, and one whenever it is told to.
const chatty = `trap "exit 7" TERM; echo first; echo second >&2; until [ -e /tmp/go ]; do sleep 0.05; done; echo third; sleep 600 & wait`

func (w world) chatty(t *testing.T) engine.Node {
	t.Helper()
	n := w.service("one", 1)
	n.Command = []string{"/bin/sh", "-c", chatty}
	w.started(t, n)
	return n
}

func (w world) logs(t *testing.T, r engine.Ref, follow bool) io.ReadCloser {
	t.Helper()
	logs, err := w.Logs(t.Context(), r, follow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = logs.Close() })
	return logs
}

func (w world) wholeLog(t *testing.T, r engine.Ref) string {
	t.Helper()
	text, err := io.ReadAll(w.logs(t, r, false))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w world) demandLog(t *testing.T, r engine.Ref, want string) {
	t.Helper()
	eventually(t, "the whole log", func() string {
		if got := sorted(w.wholeLog(t, r)); got != sorted(want) {
			return got
		}
		return ""
	})
}

// sorted evens out that the two outputs of a container have no order between them.
func sorted(log string) string {
	lines := strings.SplitAfter(log, "\n")
	first, second := 0, 0
	for _, l := range lines {
		switch l {
		case "first\n":
			first++
		case "second\n":
			second++
		}
	}
	rest := strings.NewReplacer("first\n", "", "second\n", "").Replace(log)
	return strings.Repeat("first\n", first) + strings.Repeat("second\n", second) + rest
}

func TestLogsHaveEveryLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.chatty(t)
	w.demandLog(t, n.Ref, "first\nsecond\n")
	w.demandExec(t, n.Ref, "", "touch", "/tmp/go")
	w.demandLog(t, n.Ref, "first\nsecond\nthird\n")
	if err := w.Stop(t.Context(), n.Ref, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	w.demandLog(t, n.Ref, "first\nsecond\nthird\n")
	if _, err := w.Start(t.Context(), n.Ref); err != nil {
		t.Fatal(err)
	}
	w.demandLog(t, n.Ref, "first\nsecond\nthird\nfirst\nsecond\nthird\n")
}

// TestFollowerHearsEverything from the first line on until the node ends, and no longer.
func TestFollowerHearsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.chatty(t)
	w.demandLog(t, n.Ref, "first\nsecond\n")
	lines := bufio.NewScanner(w.logs(t, n.Ref, true))
	heard := ""
	for lines.Scan() {
		heard += lines.Text() + "\n"
		switch {
		case strings.Count(heard, "\n") == 2:
			w.demandExec(t, n.Ref, "", "touch", "/tmp/go")
		case strings.HasSuffix(heard, "third\n"):
			if err := w.Stop(t.Context(), n.Ref, 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	if lines.Err() != nil || sorted(heard) != "first\nsecond\nthird\n" {
		t.Errorf("heard %q, %v", heard, lines.Err())
	}
}

// TestFollowerEndsWhenClosed while the node goes on.
func TestFollowerEndsWhenClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.chatty(t)
	logs := w.logs(t, n.Ref, true)
	first, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		r := bufio.NewReader(logs)
		_, err := r.ReadString('\n')
		first <- err
		_, err = io.Copy(io.Discard, r)
		ended <- err
	}()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := logs.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("closed, and still reading")
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the node ended with its follower")
	}
}
