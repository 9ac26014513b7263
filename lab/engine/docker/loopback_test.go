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

// TestInside looks at two nodes of one lab: "one" has all its ports inside, "two" has one, beside those that are published
// and no more.
func TestInside(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, w world) {
		t.Parallel()
		w.listening(t, w.listener("one", 1, allInside()...))
		started := w.listening(t, w.listener("two", 2, echoPort))
		run := func(name string, look func(*testing.T, world)) {
			t.Helper()
			t.Run(name, func(t *testing.T) { look(t, w) })
		}
		run("is reached", func(t *testing.T, w world) { insideIsReached(t, w, started) })
		run("is found by others", insideIsFoundByOthers)
		run("carries everything", insideCarriesEverything)
		run("nobody listens", nobodyInside)
		run("many at once", manyInside)
		if w.CommandsAlone() {
			run("nobody stays", nobodyStaysInside)
			run("takes netcat", insideTakesNetcat)
		} else {
			run("hears a caller to the end", insideHearsACallerToTheEnd)
		}
	})
}

// insideIsReached where the start has said, and not what is only published; what is published beside it stays so.
func insideIsReached(t *testing.T, w world, s engine.State) {
	if err := echoes(s.Endpoints[echoPort], []byte("hello")); err != nil {
		t.Errorf("inside: %v", err)
	}
	if at := s.Endpoints[echoPort]; at.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the door is at %s", at)
	}
	if caller := s.CallerAt(echoPort); caller != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("inside, this process is to look like %s", caller)
	}
	if caller := s.CallerAt(countPort); caller != s.Caller || !w.subnet.Contains(caller) {
		t.Errorf("through a published port, this process is to look like %s", caller)
	}
	// The control: the same listener, published and no more.
	if got, err := read(dial(t, s.Endpoints[countPort])); got != "" {
		t.Errorf("through a published port: %q, %v", got, err)
	}
	if diff := w.state(t, "two").Endpoints[echoPort]; diff != s.Endpoints[echoPort] {
		t.Errorf("asked again, the door is at %s, and was at %s", diff, s.Endpoints[echoPort])
	}
	if labels := s.Labels; len(labels) != 1 {
		t.Errorf("labels %v, want those that Create was given", labels)
	}
}

// insideIsFoundByOthers: another process than the one that started the node reaches it too.
func insideIsFoundByOthers(t *testing.T, w world) {
	other := w
	other.Engine = connect(t)
	s := other.state(t, "two")
	if err := echoes(s.Endpoints[echoPort], []byte("hello")); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	demandClosed(t, s.Endpoints[echoPort])
	if err := echoes(w.state(t, "two").Endpoints[echoPort], []byte("the control")); err != nil {
		t.Error(err)
	}
}

func insideCarriesEverything(t *testing.T, w world) {
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

// insideHearsACallerToTheEnd, who goes on when the node has ended its own direction. nc does not.
func insideHearsACallerToTheEnd(t *testing.T, w world) {
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

// nobodyInside: a dead port is no silence.
func nobodyInside(t *testing.T, w world) {
	s := w.state(t, "one")
	began := time.Now()
	got, err := callOf(s.Endpoints[deadPort])
	if len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v, want a reset", got, err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	hushed := dial(t, s.Endpoints[hushPort]) // the control: a port that accepts and is silent
	if err := hushed.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := hushed.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent port: %v", err)
	}
}

// callOf returns what comes of a call. It may be reset before the caller has seen that it was taken.
func callOf(at netip.AddrPort) (string, error) {
	conn, err := net.DialTimeout("tcp", at.String(), patience)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

// manyInside at the same time, all of them open at once.
func manyInside(t *testing.T, w world) {
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
	w.demandProcesses(t, s.ID, 0)
}

// insideTakesNetcat: without it, or without a shell, the start says so.
func insideTakesNetcat(t *testing.T, w world) {
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
