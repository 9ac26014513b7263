package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nomadlab.internal/lab/engine"
)

// commandCase is a command with its input, and the outputs and exit code that both Exec and Run must return.
type commandCase struct {
	name, script, stdin, out, errs string
	environment                    []string
	code                           int
}

func commandCases() []commandCase {
	big := strings.Repeat("0123456789abcdef\n", 20000)
	return []commandCase{
		{name: "well", script: "echo out; echo errs >&2", out: "out\n", errs: "errs\n"},
		{name: "code", script: "echo before; exit 3", out: "before\n", code: 3},
		// A shell says at which end of its child it likes that this was killed.
		{name: "killed", script: "{ sh -c 'kill -9 $$'; code=$?; } 2>/dev/null; echo Killed >&2; exit $code", errs: "Killed\n", code: 137},
		{name: "not there", script: "/no/such 2>/dev/null", code: 127},
		{name: "environment", script: `echo "$A|$B"`, environment: []string{"A=x y", "B=1=2"}, out: "x y|1=2\n"},
		{name: "stdin", script: "cat; echo end", stdin: "one\ntwo\n", out: "one\ntwo\nend\n"},
		{name: "much", script: "cat", stdin: big, out: big},
		{name: "input left", script: "echo x", stdin: big, out: "x\n"},
		{name: "nothing to say", script: ":"},
	}
}

// wantOutputs runs every command, all at the same time, and reports wrong results in the order of the commands.
func wantOutputs(t T, run func(s commandCase, streams engine.Streams) (int, error)) {
	t.Helper()
	commands := commandCases()
	amiss := make([]string, len(commands)+1)
	var all sync.WaitGroup
	for i, s := range commands {
		all.Go(func() {
			var out, errs bytes.Buffer
			streams := engine.Streams{Stdout: &out, Stderr: &errs}
			if s.stdin != "" {
				streams.Stdin = strings.NewReader(s.stdin)
			}
			code, err := run(s, streams)
			if err != nil || code != s.code || out.String() != s.out || errs.String() != s.errs {
				amiss[i] = fmt.Sprintf("%s: code %d, %v, %d bytes %.80q and %.80q; want code %d, %d bytes %.80q and %.80q",
					s.name, code, err, out.Len(), out.String(), errs.String(), s.code, len(s.out), s.out, s.errs)
			}
		})
	}
	all.Go(func() { amiss[len(commands)] = oneWriter(run) })
	all.Wait()
	for _, what := range amiss {
		if what != "" {
			t.Errorf("%s", what)
		}
	}
}

// oneWriter passes one writer for both outputs, which must not be called concurrently. It returns what is wrong, or "".
func oneWriter(run func(s commandCase, streams engine.Streams) (int, error)) string {
	const lines = 100
	both := new(unguarded)
	code, err := run(commandCase{script: fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo out; echo err >&2; i=$((i+1)); done", lines)},
		engine.Streams{Stdout: both, Stderr: both})
	if want := int64(lines * len("out\nerr\n")); err != nil || code != 0 || both.bytes.Load() != want || both.overlaps.Load() > 0 {
		return fmt.Sprintf("one writer for both outputs: code %d, %v, %d bytes of %d, called %d times while it was at work",
			code, err, both.bytes.Load(), want, both.overlaps.Load())
	}
	return ""
}

// unguarded is a writer for one caller at a time. It counts concurrent calls.
type unguarded struct {
	busy            atomic.Bool
	bytes, overlaps atomic.Int64
}

func (u *unguarded) Write(p []byte) (int, error) {
	if u.busy.Swap(true) {
		u.overlaps.Add(1)
		return len(p), nil
	}
	if u.bytes.Add(int64(len(p))) == int64(len(p)) { // the first waits for a concurrent call
		for until := time.Now().Add(100 * time.Millisecond); u.overlaps.Load() == 0 && time.Now().Before(until); {
			runtime.Gosched()
		}
	}
	u.busy.Store(false)
	return len(p), nil
}

func execCheck(ctx context.Context, t T, l *lab) {
	n := l.node("exec")
	l.started(ctx, t, n)
	wantOutputs(t, func(s commandCase, streams engine.Streams) (int, error) {
		return l.Engine.Exec(ctx, n.Ref, engine.Command{Args: []string{"sh", "-c", s.script}, Environment: s.environment, Streams: streams})
	})
	if code, err := l.Engine.Exec(ctx, n.Ref, engine.Command{Args: []string{"sh", "-c", "cat; echo x; exit 4"}}); err != nil || code != 4 {
		t.Errorf("streams left out: code %d, %v", code, err)
	}
	in, held := io.Pipe()
	defer func() { _ = held.Close() }()
	if code, err := l.Engine.Exec(ctx, n.Ref, engine.Command{Args: []string{"true"}, Streams: engine.Streams{Stdin: in}}); err != nil || code != 0 {
		t.Errorf("a reader that never ends: code %d, %v", code, err)
	}
	given, cancelCheck := context.WithCancel(ctx)
	defer cancelCheck()
	up := engine.Command{Args: []string{"sh", "-c", "echo here; sleep 600"}, Streams: engine.Streams{Stdout: writerFunc(func(p []byte) (int, error) {
		cancelCheck()
		return len(p), nil
	})}}
	if _, err := l.Engine.Exec(given, n.Ref, up); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: error %v, want context.Canceled", err)
	}
}

// terminalCheck: a command of Exec and of Run has a terminal of the caller's size, also when that changes.
func terminalCheck(ctx context.Context, t T, l *lab) {
	n := l.node("terminal")
	l.started(ctx, t, n)
	wantTerminal(t, "exec", func(script string, s engine.Streams) (int, error) {
		return l.Engine.Exec(ctx, n.Ref, engine.Command{Args: []string{"sh", "-c", script}, Streams: s})
	})
	wantTerminal(t, "run", func(script string, s engine.Streams) (int, error) {
		return l.Engine.Run(ctx, l.task(script, s))
	})
}

func wantTerminal(t T, name string, run func(script string, s engine.Streams) (int, error)) {
	t.Helper()
	const script = `tty >/dev/null || exit 9; echo terminal; read x; echo "got $x" >&2
		until stty size | grep -q "40 100"; do sleep 0.02; done; echo large
		until stty size | grep -q "40 77"; do sleep 0.02; done; echo small`
	resized := make(chan struct{}, 1)
	var width atomic.Uint32
	width.Store(100)
	in, typed := io.Pipe()
	defer func() { _ = typed.Close() }()
	go func() { _, _ = io.WriteString(typed, "typed\n") }()
	var out bytes.Buffer
	heard := writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "large") {
			width.Store(77)
			resized <- struct{}{}
		}
		return out.Write(p)
	})
	code, err := run(script, engine.Streams{
		Terminal: true, Stdin: in, Stdout: heard, Resized: resized, Size: func() (uint, uint) { return uint(width.Load()), 40 },
	})
	if err != nil || code != 0 {
		t.Fatalf("%s: code %d, %v: %q", name, code, err, out.String())
	}
	for _, want := range []string{"terminal\r\n", "got typed\r\n", "large\r\n", "small\r\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q is not in %q", name, want, out.String())
		}
	}
}

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
