package enginetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// threeLines returns a node that writes a line to each output, one more when goFile exists, and one at its end.
func (l *lab) threeLines(name string) engine.Node {
	n := l.node(name)
	const script = `trap "echo last; exit 7" TERM; echo first; echo second >&2; until [ -e "$0" ]; do sleep 0.05; done; echo third
		while :; do sleep 0.05; done`
	n.Command = []string{"sh", "-c", script, l.goFile(n)}
	return n
}

// goFile returns the file that a threeLines node waits for.
func (l *lab) goFile(n engine.Node) string { return path.Join(l.home(n), "go") }

func (l *lab) letGoOn(ctx context.Context, t T, n engine.Node) {
	t.Helper()
	l.wantExec(ctx, t, n, "touch", l.goFile(n))
}

// wantLog waits until the log is that one.
func (l *lab) wantLog(ctx context.Context, t T, n engine.Node, want string) {
	t.Helper()
	eventually(ctx, t, fmt.Sprintf("the log of %s is %q", n.Ref, want), func() string {
		text, err := l.log(ctx, n)
		if err != nil || !sameLog(text, want) {
			return fmt.Sprintf("%q, %v", text, err)
		}
		return ""
	})
}

// log returns what the node has written so far.
func (l *lab) log(ctx context.Context, n engine.Node) (string, error) {
	logs, err := l.Engine.Logs(ctx, n.Ref, false)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(logs)
	return string(text), errors.Join(err, logs.Close())
}

// sameLog reports whether the logs of threeLines nodes have the same lines in the same order. Standard output and standard
// error, which has the lines "second", have no order between them.
func sameLog(a, b string) bool {
	const onStderr = "second\n"
	return strings.Count(a, onStderr) == strings.Count(b, onStderr) &&
		strings.ReplaceAll(a, onStderr, "") == strings.ReplaceAll(b, onStderr, "")
}

// logsCheck: Logs returns every line since the first start, while the node runs and after its end.
func logsCheck(ctx context.Context, t T, l *lab) {
	n := l.threeLines("chatty")
	l.create(ctx, t, n)
	l.wantLog(ctx, t, n, "")
	l.start(ctx, t, n)
	l.wantLog(ctx, t, n, "first\nsecond\n")
	l.letGoOn(ctx, t, n)
	l.wantLog(ctx, t, n, "first\nsecond\nthird\n")
	must(t, l.Engine.Stop(ctx, n.Ref, deadline.Hang))
	l.wantLog(ctx, t, n, "first\nsecond\nthird\nlast\n")
	l.start(ctx, t, n)
	l.wantLog(ctx, t, n, "first\nsecond\nthird\nlast\nfirst\nsecond\nthird\n")
}

// followerEndsWithNode: a follower returns every line from the first, and ends with the node.
func followerEndsWithNode(ctx context.Context, t T, l *lab) {
	n := l.threeLines("followed")
	l.started(ctx, t, n)
	l.wantLog(ctx, t, n, "first\nsecond\n")
	logs, err := l.Engine.Logs(ctx, n.Ref, true)
	must(t, err)
	defer func() { _ = logs.Close() }()
	heard, lines := "", bufio.NewScanner(logs)
	for lines.Scan() {
		heard += lines.Text() + "\n"
		switch {
		case sameLog(heard, "first\nsecond\n"):
			l.letGoOn(ctx, t, n)
		case lines.Text() == "third":
			must(t, l.Engine.Stop(ctx, n.Ref, deadline.Hang))
		}
	}
	if lines.Err() != nil || !sameLog(heard, "first\nsecond\nthird\nlast\n") {
		t.Errorf("heard %q, %v", heard, lines.Err())
	}
}

// followerCloses: closing a follower ends its Read while the node goes on.
func followerCloses(ctx context.Context, t T, l *lab) {
	n := l.threeLines("closed")
	l.started(ctx, t, n)
	logs, err := l.Engine.Logs(ctx, n.Ref, true)
	must(t, err)
	first, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		r := bufio.NewReader(logs)
		_, err := r.ReadString('\n')
		first <- err
		_, _ = io.Copy(io.Discard, r) // it may be an error that it was closed meanwhile
	}()
	if err := <-first; err != nil {
		t.Errorf("before it is closed: %v", err)
	}
	if err := logs.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Errorf("closed, and still reading (%v)", context.Cause(ctx))
		return
	}
	if s := l.state(ctx, t, n); !s.Running {
		t.Errorf("the node ended with its follower")
	}
}
