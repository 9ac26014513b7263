package docker_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

// TestForward uses two nodes of one lab: "one" has all its ports inside, "two" has one, beside ports that are only
// published.
func TestForward(t *testing.T) {
	t.Parallel()
	eachDialer(t, func(t *testing.T, w testLab) {
		t.Parallel()
		w.listening(t, w.listener("one", 1, allInside()...))
		started := w.listening(t, w.listener("two", 2, echoPort))
		run := func(name string, test func(*testing.T, testLab)) {
			t.Helper()
			t.Run(name, func(t *testing.T) { test(t, w) })
		}
		run("reaches", func(t *testing.T, w testLab) { forwardReaches(t, w, started) })
		run("of another process", forwardOfOtherProcess)
		run("relays", forwardRelays)
		run("closed port", forwardToClosedPort)
		run("concurrently", forwardConcurrently)
		if w.UsesNC() {
			run("nc ends with the caller", ncEndsWithCaller)
			run("needs nc", forwardNeedsNC)
		} else {
			run("half close", forwardHalfClose)
		}
	})
}

// forwardReaches connects where Start has said. Ports that are published beside it stay published.
func forwardReaches(t *testing.T, w testLab, s engine.State) {
	if err := echoes(s.Endpoints[echoPort], []byte("hello")); err != nil {
		t.Errorf("inside: %v", err)
	}
	if at := s.Endpoints[echoPort]; at.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the endpoint is at %s", at)
	}
	if caller := s.CallerAt(echoPort); caller != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("inside, this process is to test like %s", caller)
	}
	if caller := s.CallerAt(countPort); caller != s.Caller || !w.subnet.Contains(caller) {
		t.Errorf("through a published port, this process is to test like %s", caller)
	}
	// The control: the same listener, published and no more.
	if got, err := read(dial(t, s.Endpoints[countPort])); got != "" {
		t.Errorf("through a published port: %q, %v", got, err)
	}
	if diff := w.state(t, "two").Endpoints[echoPort]; diff != s.Endpoints[echoPort] {
		t.Errorf("asked again, the endpoint is at %s, and was at %s", diff, s.Endpoints[echoPort])
	}
	if labels := s.Labels; len(labels) != 1 {
		t.Errorf("labels %v, want those that Create was given", labels)
	}
}

// forwardOfOtherProcess: a process that did not start the node reaches it too.
func forwardOfOtherProcess(t *testing.T, w testLab) {
	other := w
	other.Engine = connect(t)
	s := other.state(t, "two")
	if err := echoes(s.Endpoints[echoPort], []byte("hello")); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, s.Endpoints[echoPort])
	if err := echoes(w.state(t, "two").Endpoints[echoPort], []byte("the control")); err != nil {
		t.Error(err)
	}
}

func forwardRelays(t *testing.T, w testLab) {
	s := w.state(t, "one")
	big := make([]byte, 1<<20)
	_, _ = rand.Read(big)
	if err := echoes(s.Endpoints[echoPort], big); err != nil {
		t.Error(err)
	}
	conn := dial(t, s.Endpoints[countPort])
	if _, err := conn.Write(big); err != nil {
		t.Error(err)
	}
	if got, err := read(conn); got != "1048576" || err != nil {
		t.Errorf("after a half-close: %q, %v", got, err)
	}
}

// forwardHalfClose: a caller may go on after the node has closed its direction. nc cannot do that.
func forwardHalfClose(t *testing.T, w testLab) {
	conn := dial(t, w.state(t, "one").Endpoints[firstPort])
	if got, err := io.ReadAll(conn); string(got) != "your turn" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := io.WriteString(conn, "and yet"); err != nil {
		t.Error(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Error(err)
	}
	w.awaitLog(t, engine.Ref{Lab: w.lab, Node: "one"}, `heard "and yet", <nil>`)
}

// forwardToClosedPort: a connection to a port without a listener is reset, and does not wait.
func forwardToClosedPort(t *testing.T, w testLab) {
	s := w.state(t, "one")
	began := time.Now()
	got, err := callOf(s.Endpoints[deadPort])
	if len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v, want a reset", got, err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	hushed := dial(t, s.Endpoints[silentPort]) // the control: a port that accepts and is silent
	if err := hushed.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := hushed.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent port: %v", err)
	}
}

// callOf connects and returns what it reads. The connection may be reset before the caller sees it as established.
func callOf(at netip.AddrPort) (string, error) {
	conn, err := net.DialTimeout("tcp", at.String(), testTimeout)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		return "", err
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

// forwardConcurrently opens many connections at the same time.
func forwardConcurrently(t *testing.T, w testLab) {
	const many = 130
	s := w.state(t, "one")
	began := time.Now()
	conns, faults := make([]*net.TCPConn, many), make([]error, many)
	var coming sync.WaitGroup
	for i := range many {
		conns[i] = dial(t, s.Endpoints[echoPort])
		coming.Go(func() { _, faults[i] = io.ReadFull(conns[i], make([]byte, len(greeting))) })
	}
	coming.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections took %s", many, time.Since(began))
	for i, conn := range conns {
		if _, err := fmt.Fprint(conn, i); err != nil {
			t.Error(err)
		}
		if got, err := read(conn); got != fmt.Sprint(i) || err != nil {
			t.Errorf("the %d. was told %q, %v", i, got, err)
		}
	}
	w.wantProcesses(t, s.ID, 0)
}

// forwardNeedsNC: without nc, or without a shell, Start returns an error that says so.
func forwardNeedsNC(t *testing.T, w testLab) {
	n := w.listener("shell", 3, echoPort)
	n.User = ""
	n.Files = append(n.Files, engine.File{Path: "/bin/sh", Mode: 0o755, Data: w.program})
	if err := w.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Start(t.Context(), n.Ref); err == nil || !strings.Contains(err.Error(), "nc") || !strings.Contains(err.Error(), w.image) {
		t.Errorf("no shell: %v", err)
	}
	n = w.listener("none", 4, echoPort, 1)
	if err := w.Create(t.Context(), n); err == nil || !strings.Contains(err.Error(), "port 1 ") {
		t.Errorf("a port inside that is none of the node's: %v", err)
	}
}
