package docker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

// demandExec runs a command in a node, which must end well and say that.
func (w world) demandExec(t *testing.T, r engine.Ref, want string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	code, err := w.Exec(t.Context(), r, engine.Command{Args: args, Streams: engine.Streams{Stdout: &out, Stderr: &errs}})
	if err != nil || code != 0 || out.String() != want {
		t.Errorf("%q: code %d, %v, said %q and %q, want %q", args, code, err, out.String(), errs.String(), want)
	}
}

// spoken is a command, what it is given and what it must answer. Exec and Run must agree on all of them.
type spoken struct {
	script, stdin, out, errs string
	environment              []string
	code                     int
}

func allSpoken() map[string]spoken {
	big := strings.Repeat("0123456789abcdef\n", 20000)
	return map[string]spoken{
		"well":           {script: "echo out; echo errs >&2", out: "out\n", errs: "errs\n"},
		"code":           {script: "echo before; exit 3", out: "before\n", code: 3},
		"killed":         {script: "sh -c 'kill -9 $$'; exit $?", errs: "Killed\n", code: 137},
		"not there":      {script: "/no/such 2>/dev/null", code: 127},
		"environment":    {script: `echo "$A|$B"`, environment: []string{"A=x y", "B=1=2"}, out: "x y|1=2\n"},
		"stdin":          {script: "cat; echo end", stdin: "one\ntwo\n", out: "one\ntwo\nend\n"},
		"much":           {script: "cat", stdin: big, out: big},
		"nothing to say": {script: ":"},
	}
}

func (s spoken) streams(out, errs io.Writer) engine.Streams {
	streams := engine.Streams{Stdout: out, Stderr: errs}
	if s.stdin != "" {
		streams.Stdin = strings.NewReader(s.stdin)
	}
	return streams
}

func (s spoken) demand(t *testing.T, code int, err error, out, errs string) {
	t.Helper()
	if err != nil || code != s.code || out != s.out || errs != s.errs {
		t.Errorf("code %d, %v, %d bytes %.80q and %.80q; want code %d, %d bytes %.80q and %.80q",
			code, err, len(out), out, errs, s.code, len(s.out), s.out, s.errs)
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	w.started(t, n)
	for name, s := range allSpoken() {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code, err := w.Exec(t.Context(), n.Ref, engine.Command{
				Args: []string{"/bin/sh", "-c", s.script}, Environment: s.environment, Streams: s.streams(&out, &errs),
			})
			s.demand(t, code, err, out.String(), errs.String())
		})
	}
	t.Run("streams left out", func(t *testing.T) {
		if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"sh", "-c", "cat; echo x; exit 4"}}); err != nil || code != 4 {
			t.Errorf("code %d, %v", code, err)
		}
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := w.Exec(ctx, n.Ref, engine.Command{Args: []string{"sh", "-c", "echo here; sleep 600"}, Streams: engine.Streams{Stdout: onWrite(cancel)}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
}

// onWrite is a writer that does something at the first byte.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// TestTerminal: the command has one, as large as the caller's, also when that changes.
func TestTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.service("one", 1)
	w.started(t, n)
	resized := make(chan struct{}, 1)
	var width atomic.Uint32
	width.Store(100)
	in, typed := io.Pipe()
	defer func() { _ = typed.Close() }()
	var out bytes.Buffer
	heard := writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "large") {
			width.Store(77)
			resized <- struct{}{}
		}
		return out.Write(p)
	})
	terminal := engine.Streams{
		Terminal: true, Stdin: in, Stdout: heard, Resized: resized,
		Size: func() (uint, uint) { return uint(width.Load()), 40 },
	}
	go func() { _, _ = io.WriteString(typed, "typed\n") }()
	const script = `tty >/dev/null && echo terminal; read x; echo "got $x" >&2
		until stty size | grep -q "40 100"; do sleep 0.02; done; echo large
		until stty size | grep -q "40 77"; do sleep 0.02; done; echo small`
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code, err := w.Exec(ctx, n.Ref, engine.Command{Args: []string{"sh", "-c", script}, Streams: terminal})
	if err != nil || code != 0 {
		t.Fatalf("code %d, %v: %q", code, err, out.String())
	}
	for _, want := range []string{"terminal\r\n", "got typed\r\n", "large\r\n", "small\r\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}

// writerFunc is a writer that is a function.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
