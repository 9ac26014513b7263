package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// nodeLifecycle starts, stops and kills a node. After every start it must answer at the endpoint in its state.
func nodeLifecycle(ctx context.Context, t T, l *lab) {
	n := l.service("life")
	l.create(ctx, t, n)
	created := l.state(ctx, t, n)
	wantDown(t, created, 0)
	if !created.Started.IsZero() {
		t.Errorf("never started, and yet at %s", created.Started)
	}
	for _, end := range []struct {
		name string
		how  func() error
		code int
	}{
		{"stop", func() error { return l.Engine.Stop(ctx, n.Ref, deadline.Hang) }, 7},
		{"kill", func() error { return l.Engine.Kill(ctx, n.Ref) }, 137},
	} {
		began := time.Now()
		s := l.start(ctx, t, n)
		l.wantRunning(ctx, t, n, s, began)
		l.wantRunning(ctx, t, n, l.state(ctx, t, n), began)
		if err := end.how(); err != nil {
			t.Fatalf("%s: %v", end.name, err)
		}
		wantDown(t, l.state(ctx, t, n), end.code)
		if said, err := get(ctx, s, n); err == nil && strings.Contains(said, n.Ref.String()) {
			t.Errorf("after the %s it still answers: %q", end.name, said)
		}
		if code, err := l.Engine.Exec(ctx, n.Ref, engine.Command{Args: []string{"true"}}); err == nil {
			t.Errorf("after the %s a command in it ends with code %d and no error", end.name, code)
		}
		if err := end.how(); err != nil {
			t.Errorf("%s again: %v", end.name, err)
		}
	}
}

// wantRunning checks the state of a node that was started after began, and that it answers.
func (l *lab) wantRunning(ctx context.Context, t T, n engine.Node, s engine.State, began time.Time) {
	t.Helper()
	at := s.Endpoints[n.Ports[0]]
	if !s.Running || s.Ref != n.Ref || s.Address != n.Address || len(s.Endpoints) != 1 || !at.Addr().IsLoopback() {
		t.Fatalf("a running node's state: %+v", s)
	}
	if s.ID == "" || s.Image != n.Image || !maps.Equal(s.Labels, n.Labels) {
		t.Errorf("ID %q, image %q, labels %v; want one, %q and %v", s.ID, s.Image, s.Labels, n.Image, n.Labels)
	}
	if s.Started.Before(began) || s.Started.After(time.Now()) {
		t.Errorf("started at %s, which is not since %s", s.Started, began)
	}
	if l.Engine.Lacks(engine.Containment) == "" && s.Origin != s.Address {
		t.Errorf("its connections come from %s, want its address %s", s.Origin, s.Address)
	}
	if s.Caller == s.Address {
		t.Errorf("this process looks to it like the node itself, %s", s.Caller)
	}
	answers(ctx, t, s, n)
}

// wantDown checks the state of a node that has ended with that code, or was never started (code 0).
func wantDown(t T, s engine.State, code int) {
	t.Helper()
	if s.Running || s.Paused || s.ExitCode != code || len(s.Endpoints) != 0 || s.Address.IsValid() || s.Origin.IsValid() {
		t.Errorf("the state of a node that ended with %d: %+v", code, s)
	}
}

// dial connects to the node's port at its endpoint and sends a request.
func dial(ctx context.Context, s engine.State, n engine.Node) (net.Conn, error) {
	var d net.Dialer
	if s.From.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.From, 0))
	}
	conn, err := d.DialContext(ctx, "tcp", s.Endpoints[n.Ports[0]].String())
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	return conn, err
}

// get returns the answer of the node's service.
func get(ctx context.Context, s engine.State, n engine.Node) (string, error) {
	conn, err := dial(ctx, s, n)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return read(conn, deadline.Hang)
}

// read reads until the other side ends or the time is over.
func read(conn net.Conn, within time.Duration) (string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	said, err := io.ReadAll(conn)
	return string(said), err
}

// answers waits until that node's service answers.
func answers(ctx context.Context, t T, s engine.State, n engine.Node) {
	t.Helper()
	eventually(ctx, t, fmt.Sprintf("%s answers at %s", n.Ref, s.Endpoints[n.Ports[0]]), func() string {
		said, err := get(ctx, s, n)
		if err != nil {
			return err.Error()
		}
		if !strings.Contains(said, n.Ref.String()) {
			return fmt.Sprintf("it says %q", said)
		}
		return ""
	})
}

// stopKillsAfterGrace: a program that ignores SIGTERM is killed, and a slow one may use its grace period.
func stopKillsAfterGrace(ctx context.Context, t T, l *lab) {
	const grace = time.Second
	deaf := l.script("deaf", `trap "" TERM; echo deaf; while :; do sleep 1; done`)
	l.started(ctx, t, deaf)
	l.wantLog(ctx, t, deaf, "deaf\n")
	began := time.Now()
	must(t, l.Engine.Stop(ctx, deaf.Ref, grace))
	if took := time.Since(began); took < grace {
		t.Errorf("it was killed after %s, before its grace of %s", took, grace)
	}
	wantDown(t, l.state(ctx, t, deaf), 137)

	slow := l.node("slow")
	const script = `trap 'echo asked; until [ -e "$0" ]; do sleep 0.05; done; exit 7' TERM; echo slow; while :; do sleep 0.05; done`
	slow.Command = []string{"sh", "-c", script, l.goFile(slow)}
	l.started(ctx, t, slow)
	l.wantLog(ctx, t, slow, "slow\n")
	stopped := make(chan error, 1)
	go func() { stopped <- l.Engine.Stop(ctx, slow.Ref, deadline.Hang) }()
	if l.awaitSIGTERM(ctx, t, slow, stopped) {
		l.letGoOn(ctx, t, slow)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop a node that takes its time: %v", err)
	}
	wantDown(t, l.state(ctx, t, slow), 7)
}

// awaitSIGTERM waits until the node has received SIGTERM or has ended, and reports whether it received the signal.
func (l *lab) awaitSIGTERM(ctx context.Context, t T, n engine.Node, stopped chan error) (asked bool) {
	t.Helper()
	eventually(ctx, t, n.Ref.String()+" is asked to end", func() string {
		log, err := l.log(ctx, n)
		asked = log == "slow\nasked\n"
		if asked || len(stopped) > 0 {
			return ""
		}
		return fmt.Sprintf("log %q, %v", log, err)
	})
	return asked
}

// silenceOf returns how long a paused node must not answer: far longer than its last answer took.
func silenceOf(ctx context.Context, t T, s engine.State, n engine.Node) time.Duration {
	t.Helper()
	began := time.Now()
	_, err := get(ctx, s, n)
	must(t, err)
	return max(time.Second, 20*time.Since(began))
}

// pauseAndResume: a paused node counts as running and accepts connections, and answers on them only after Resume.
func pauseAndResume(ctx context.Context, t T, l *lab) {
	n := l.service("paused")
	s := l.started(ctx, t, n)
	answers(ctx, t, s, n)
	long := silenceOf(ctx, t, s, n)
	must(t, l.Engine.Pause(ctx, n.Ref))
	conn, err := dial(ctx, s, n)
	if err != nil {
		t.Fatalf("connect to a paused node: %v", err)
	}
	defer func() { _ = conn.Close() }()
	if said, err := read(conn, long); said != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused node answers %q, %v", said, err)
	}
	if !l.state(ctx, t, n).Running || !l.listed(ctx, t, n).Running {
		t.Errorf("a paused node does not count as running")
	}
	if !l.state(ctx, t, n).Paused || !l.listed(ctx, t, n).Paused {
		t.Errorf("a paused node does not count as paused")
	}
	must(t, l.Engine.Resume(ctx, n.Ref))
	if l.state(ctx, t, n).Paused || l.listed(ctx, t, n).Paused {
		t.Errorf("a resumed node counts as paused")
	}
	if said, err := read(conn, deadline.Hang); err != nil || !strings.Contains(said, n.Ref.String()) {
		t.Errorf("a resumed node answers %q, %v on a connection from before", said, err)
	}
	answers(ctx, t, s, n)
	must(t, l.Engine.Pause(ctx, n.Ref))
	must(t, l.Engine.Kill(ctx, n.Ref))
	wantDown(t, l.state(ctx, t, n), 137)
	for verb, do := range map[string]func(context.Context, engine.Ref) error{"pause": l.Engine.Pause, "resume": l.Engine.Resume} {
		if do(ctx, n.Ref) == nil {
			t.Errorf("%s of a node that does not run is no error", verb)
		}
	}
}

// listed returns a node's state from Labs.
func (l *lab) listed(ctx context.Context, t T, n engine.Node) engine.State {
	t.Helper()
	labs, err := l.Engine.Labs(ctx)
	must(t, err)
	i := slices.IndexFunc(labs[l.name].Nodes, func(s engine.State) bool { return s.Ref == n.Ref })
	if i < 0 {
		t.Fatalf("no node %s in lab %+v", n.Ref, labs[l.name])
	}
	return labs[l.name].Nodes[i]
}

// unknownNode: for a node that does not exist, every method returns ErrNotFound with its name.
func unknownNode(ctx context.Context, t T, l *lab) {
	none := l.ref("none")
	_, started := l.Engine.Start(ctx, none)
	_, ran := l.Engine.Exec(ctx, none, engine.Command{Args: []string{"true"}})
	_, read := l.Engine.Logs(ctx, none, false)
	_, again := l.Engine.RestartProgram(ctx, none, engine.Restart{})
	for what, err := range map[string]error{
		"start": started, "exec": ran, "logs": read, "stop": l.Engine.Stop(ctx, none, 0), "kill": l.Engine.Kill(ctx, none),
		"pause": l.Engine.Pause(ctx, none), "resume": l.Engine.Resume(ctx, none),
		"reload": l.Engine.Reload(ctx, none), "restart": again,
	} {
		if !errors.Is(err, engine.ErrNotFound) || !strings.Contains(err.Error(), none.String()) {
			t.Errorf("%s: %v, want an error that wraps ErrNotFound and names %s", what, err, none)
		}
	}
	if states, err := l.Engine.Nodes(ctx, random("none-")); err != nil || len(states) != 0 {
		t.Errorf("an unknown lab has nodes: %v, %v", states, err)
	}
	if err := l.Engine.Remove(ctx, random("none-")); err != nil {
		t.Errorf("remove a lab that is not there: %v", err)
	}
	n := l.node("known")
	newFaultyEngine := n.Image
	n.Image = l.NoImage
	if err := l.Engine.Create(ctx, n); err == nil {
		t.Errorf("a node was created from image %s, which is not there", l.NoImage)
	}
	n.Image = newFaultyEngine
	l.started(ctx, t, n) // the control
}
