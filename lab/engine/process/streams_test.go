package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
)

// inExecAndRun calls do with a script as a command of Exec, in node one, and as a command of Run.
func (w testLab) inExecAndRun(t *testing.T, do func(name string, run func(s engine.Streams) (int, error)), script string) {
	t.Helper()
	do("exec", func(s engine.Streams) (int, error) {
		return w.Exec(t.Context(), w.ref("one"), engine.Command{Args: []string{"sh", "-c", script}, Streams: s})
	})
	do("run", func(s engine.Streams) (int, error) { return w.Run(t.Context(), w.task(script, s)) })
}

// TestCommandEnvironmentAndExitCode: a command has none of the caller's variables; the code of a killed one has the signal.
func TestCommandEnvironmentAndExitCode(t *testing.T) {
	w := newTestLab(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	t.Setenv("AWS_CA_BUNDLE", "/no/such")
	for _, c := range []struct {
		script, out string
		code        int
	}{{script: "kill -9 $$", code: 137}, {script: `echo "|$AWS_CA_BUNDLE|$HOME"`, out: "||\n"}} {
		w.inExecAndRun(t, func(name string, run func(s engine.Streams) (int, error)) {
			var out, errs bytes.Buffer
			code, err := run(engine.Streams{Stdout: &out, Stderr: &errs})
			if err != nil || code != c.code || out.String() != c.out || errs.Len() > 0 {
				t.Errorf("%s %s: code %d, %v, said %q and %q; want code %d and %q", name, c.script, code, err, out.String(), errs.String(), c.code, c.out)
			}
		}, c.script)
	}
	w.wantNoTask(t)
}

// TestExec: the command has the node's user, folder and environment, and needs a node that runs.
func TestExec(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("one", 1, "exec sleep 1000")
	w.started(t, n)
	var out bytes.Buffer
	c := engine.Command{Args: []string{"sh", "-c", `pwd; id -u; id -G; echo "$OWN $NOMADLAB_NODE"`}, Streams: engine.Streams{Stdout: &out}}
	code, err := w.Exec(t.Context(), n.Ref, c)
	if want := fmt.Sprintf("%s\n%d\n", w.home("one"), w.userOf(t, "one")); err != nil || code != 0 || !strings.HasPrefix(out.String(), want) || !strings.HasSuffix(out.String(), "\nx y one\n") {
		t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
	}
	if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"nosuch"}}); err == nil {
		t.Errorf("no such program: code %d and no error", code)
	}
}

// TestCommandIsKilledWithContext: when its context ends, a command is killed with all its descendants, whatever their
// session and environment.
func TestCommandIsKilledWithContext(t *testing.T) {
	t.Parallel()
	const script = `setsid sleep 1000 & echo $! > "$AT/marked"; env -i /bin/sleep 1000 & echo $! > "$AT/cleared"; echo ready; wait`
	w := newTestLab(t)
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

// onWrite is a writer that calls a function at each write.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// TestTerminalName: the command may open its terminal by its name, and TERM is set.
func TestTerminalName(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	w.started(t, w.script("one", 1, "exec sleep 1000"))
	w.inExecAndRun(t, func(name string, run func(s engine.Streams) (int, error)) {
		var out bytes.Buffer
		code, err := run(engine.Streams{Terminal: true, Stdout: &out, Size: func() (uint, uint) { return 100, 40 }})
		if want := "terminal xterm\r\nby its name\r\n"; err != nil || code != 0 || out.String() != want {
			t.Errorf("%s: code %d, %v, said %q, want %q", name, code, err, out.String(), want)
		}
	}, `echo "terminal $TERM"; echo "by its name" > "$(tty)"`)
}

// writerFunc is a writer that is a function.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
