package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

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
		"killed":         {script: "kill -9 $$", code: 137},
		"not there":      {script: "/no/such 2>/dev/null", code: 127},
		"environment":    {script: `echo "$A|$B|$AWS_CA_BUNDLE|$HOME"`, environment: []string{"A=x y", "B=1=2"}, out: "x y|1=2||\n"},
		"stdin":          {script: "cat; echo end", stdin: "one\ntwo\n", out: "one\ntwo\nend\n"},
		"much":           {script: "cat", stdin: big, out: big},
		"input left":     {script: "echo x", stdin: big, out: "x\n"},
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
	n := w.script("one", 1, "exec sleep 1000")
	w.started(t, n)
	for name, s := range allSpoken() {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code, err := w.Exec(t.Context(), n.Ref, engine.Command{
				Args: []string{"sh", "-c", s.script}, Environment: s.environment, Streams: s.streams(&out, &errs),
			})
			s.demand(t, code, err, out.String(), errs.String())
		})
	}
	t.Run("where and who", func(t *testing.T) {
		var out bytes.Buffer
		c := engine.Command{Args: []string{"sh", "-c", `pwd; id -u; id -G; echo "$OWN $NOMADLAB_NODE"`}, Streams: engine.Streams{Stdout: &out}}
		code, err := w.Exec(t.Context(), n.Ref, c)
		if want := fmt.Sprintf("%s\n%d\n", w.home("one"), user()); err != nil || code != 0 || !strings.HasPrefix(out.String(), want) || !strings.HasSuffix(out.String(), "\nx y one\n") {
			t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
		}
	})
	t.Run("no such program", func(t *testing.T) {
		if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"nosuch"}}); err == nil {
			t.Errorf("code %d and no error", code)
		}
	})
	t.Run("streams left out", func(t *testing.T) {
		if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"sh", "-c", "cat; echo x; exit 4"}}); err != nil || code != 4 {
			t.Errorf("code %d, %v", code, err)
		}
	})
	t.Run("a reader that never ends", func(t *testing.T) {
		in, held := io.Pipe()
		defer held.Close()
		if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"true"}, Streams: engine.Streams{Stdin: in}}); err != nil || code != 0 {
			t.Errorf("code %d, %v", code, err)
		}
	})
	t.Run("beside a node that is down", func(t *testing.T) {
		must(t, w.Kill(t.Context(), n.Ref))
		if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"true"}}); err == nil {
			t.Errorf("code %d and no error", code)
		}
	})
}

// TestGivenUp: when its context ends, a command is killed with all that it started, in whatever session and environment.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	const script = `setsid sleep 1000 & echo $! > "$AT/marked"; env -i /bin/sleep 1000 & echo $! > "$AT/cleared"; echo ready; wait`
	w := newWorld(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	for name, run := range map[string]func(ctx context.Context, env []string, s engine.Streams) error{
		"exec": func(ctx context.Context, env []string, s engine.Streams) error {
			_, err := w.Exec(ctx, w.ref("one"), engine.Command{Args: []string{"sh", "-c", script}, Environment: env, Streams: s})
			return err
		},
		"run": func(ctx context.Context, env []string, s engine.Streams) error {
			task := w.task(script, s)
			task.Environment = env
			_, err := w.Run(ctx, task)
			return err
		},
	} {
		for _, terminal := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			at := t.TempDir()
			must(t, os.Chmod(at, 0o777)) //nolint:gosec,nolintlint // the agents' user writes there
			must(t, os.Chmod(at+"/..", 0o711))
			err := run(ctx, []string{"AT=" + at}, engine.Streams{Stdout: onWrite(cancel), Terminal: terminal})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v, want context.Canceled", name, err)
			}
			for _, file := range []string{"marked", "cleared"} {
				if pid := untilPID(t, at+"/"+file); running(pid) {
					t.Errorf("%s: process %d, %s, goes on", name, pid, file)
				}
			}
		}
	}
	if s := w.state(t, "one"); !s.Running {
		t.Error("the node ended with the command")
	}
}

// onWrite is a writer that does something at the first byte.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// TestTerminal: the command has one, as large as the caller's, also when that changes, and may open it by its name.
func TestTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	const script = `tty >/dev/null && echo "terminal $TERM"; read x; echo "got $x" > "$(tty)"
		until stty size | grep -q "40 100"; do sleep 0.02; done; echo large
		until stty size | grep -q "40 77"; do sleep 0.02; done; echo small`
	for name, run := range map[string]func(ctx context.Context, s engine.Streams) (int, error){
		"exec": func(ctx context.Context, s engine.Streams) (int, error) {
			return w.Exec(ctx, w.ref("one"), engine.Command{Args: []string{"sh", "-c", script}, Streams: s})
		},
		"run": func(ctx context.Context, s engine.Streams) (int, error) { return w.Run(ctx, w.task(script, s)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resized := make(chan struct{}, 1)
			var width atomic.Uint32
			width.Store(100)
			in, typed := io.Pipe()
			defer typed.Close()
			var out bytes.Buffer
			heard := writerFunc(func(p []byte) (int, error) {
				if strings.Contains(string(p), "large") {
					width.Store(77)
					resized <- struct{}{}
				}
				return out.Write(p)
			})
			go func() { _, _ = io.WriteString(typed, "typed\n") }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			code, err := run(ctx, engine.Streams{
				Terminal: true, Stdin: in, Stdout: heard, Resized: resized,
				Size: func() (uint, uint) { return uint(width.Load()), 40 },
			})
			if err != nil || code != 0 {
				t.Fatalf("code %d, %v: %q", code, err, out.String())
			}
			for _, want := range []string{"terminal xterm\r\n", "got typed\r\n", "large\r\n", "small\r\n"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in %q", want, out.String())
				}
			}
		})
	}
}

// writerFunc is a writer that is a function.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
