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

// TestInsideIsReached, and not what is only published; what is published beside it stays so.
func TestInsideIsReached(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, w world) {
		t.Parallel()
		s := w.listening(t, w.listener(echoPort))
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
		if diff := w.state(t, "one").Endpoints[echoPort]; diff != s.Endpoints[echoPort] {
			t.Errorf("asked again, the door is at %s, and was at %s", diff, s.Endpoints[echoPort])
		}
		if labels := s.Labels; len(labels) != 1 {
			t.Errorf("labels %v, want those that Create was given", labels)
		}
	})
}

// TestInsideIsFoundByOthers: another process than the one that started the node reaches it too.
func TestInsideIsFoundByOthers(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, w world) {
		t.Parallel()
		w.listening(t, w.listener(echoPort))
		other := w
		other.Engine = connect(t)
		s := other.state(t, "one")
		if err := echoes(s.Endpoints[echoPort], []byte("hello")); err != nil {
			t.Error(err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		demandClosed(t, s.Endpoints[echoPort])
		if err := echoes(w.state(t, "one").Endpoints[echoPort], []byte("the control")); err != nil {
			t.Error(err)
		}
	})
}

func TestInsideCarriesEverything(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, w world) {
		t.Parallel()
		s := w.listening(t, w.listener(allInside()...))
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
	})
}

// TestInsideHearsACallerToTheEnd, who goes on when the node has ended its own direction. nc does not.
func TestInsideHearsACallerToTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program = staticProgram(t, "./testdata/listen")
	n := w.listener(firstPort)
	conn := dial(t, w.listening(t, n).Endpoints[firstPort])
	if got, err := io.ReadAll(conn); string(got) != "your turn" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := io.WriteString(conn, "and yet"); err != nil {
		t.Error(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Error(err)
	}
	w.awaitLog(t, n.Ref, `heard "and yet", <nil>`)
}

// TestNobodyInside: a dead port is no silence.
func TestNobodyInside(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, w world) {
		t.Parallel()
		s := w.listening(t, w.listener(allInside()...))
		conn := dial(t, s.Endpoints[deadPort])
		began := time.Now()
		got, err := io.ReadAll(conn)
		if len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q, %v, want a reset", got, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		hushed := dial(t, s.Endpoints[hushPort]) // the control: a port that accepts and is silent
		if err := hushed.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := hushed.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a silent port: %v", err)
		}
	})
}

// TestManyInside at the same time, all of them open at once.
func TestManyInside(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, w world) {
		const many = 130
		n := w.listener(allInside()...)
		s := w.listening(t, n)
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
	})
}

// TestInsideTakesNetcat: without it, or without a shell, the start says so.
func TestInsideTakesNetcat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.program = staticProgram(t, "./testdata/listen")
	w.ByCommand()
	n := w.listener(echoPort)
	n.User = ""
	n.Files = append(n.Files, engine.File{Path: "/bin/sh", Mode: 0o755, Data: w.program})
	if err := w.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Start(t.Context(), n.Ref); err == nil || !strings.Contains(err.Error(), "nc") || !strings.Contains(err.Error(), w.image) {
		t.Errorf("no shell: %v", err)
	}
	n = w.listener(echoPort, 1)
	n.Node = "two"
	if err := w.Create(t.Context(), n); err == nil || !strings.Contains(err.Error(), "port 1 ") {
		t.Errorf("a port inside that is none of the node's: %v", err)
	}
}
