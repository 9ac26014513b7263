package docker_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// wantProcesses counts the container's processes that make connections, from /proc.
func (w testLab) wantProcesses(t *testing.T, id string, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d processes run nc", want), func() string {
		top, err := w.Client().ContainerTop(t.Context(), id, client.ContainerTopOptions{})
		if err != nil {
			return err.Error()
		}
		n := 0
		for _, p := range top.Processes {
			if strings.HasPrefix(p[len(p)-1], "nc 127.0.0.1") {
				n++
			}
		}
		if n != want {
			return fmt.Sprintf("%d: %v", n, top.Processes)
		}
		return ""
	})
}

func wantClosed(t *testing.T, at netip.AddrPort) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", at.String())
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to %s: %v, want that it is refused", at, err)
	}
}

// ncEndsWithCaller: nc ends when the caller goes away, even if the node keeps the connection.
func ncEndsWithCaller(t *testing.T, w testLab) {
	w.Engine = connect(t)
	w.UseNC()
	w.SetSilenceTimeout(time.Second)
	s := w.state(t, "one")
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset":  func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		conn := dial(t, s.Endpoints[silentPort])
		w.wantProcesses(t, s.ID, 1)
		if err := leave(conn); err != nil {
			t.Error(err)
		}
		w.wantProcesses(t, s.ID, 0)
		t.Logf("%s: gone", name)
	}
}

// TestForwardCleanup ends the node in several ways. It runs alone, because it looks at the goroutines of this package.
func TestForwardCleanup(t *testing.T) { //nolint:paralleltest // see above
	eachDialer(t, func(t *testing.T, w testLab) {
		n := w.listener("one", 1, allInside()...)
		if err := w.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			end  func() error
		}{
			{"stop", func() error { return w.Stop(t.Context(), n.Ref, time.Second) }},
			{"kill", func() error { return w.Kill(t.Context(), n.Ref) }},
			{"crash", func() error {
				_, err := w.Client().ContainerKill(t.Context(), "nomadlab-"+w.lab+"-one", client.ContainerKillOptions{})
				return err
			}},
			{"remove", func() error { return w.Remove(t.Context(), w.lab) }},
		} {
			s, err := w.Start(t.Context(), n.Ref)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "listening", func() string {
				if err := echoes(s.Endpoints[echoPort], nil); err != nil {
					return err.Error()
				}
				return ""
			})
			busy := dial(t, s.Endpoints[silentPort])
			eventually(t, "a goroutine is there (the control)", func() string {
				if !strings.Contains(goroutines(), "docker.relay") {
					return "none"
				}
				return ""
			})
			w.wantProcesses(t, s.ID, w.perConnection())
			if err := c.end(); err != nil {
				t.Fatal(err)
			}
			if _, err := busy.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the caller is not told: %v", c.name, err)
			}
			eventually(t, "after the "+c.name+" no goroutine is left", goroutines)
			wantClosed(t, s.Endpoints[silentPort])
		}
	})
}

// perConnection returns how many processes a connection takes.
func (w testLab) perConnection() int {
	if w.UsesNC() {
		return 1
	}
	return 0
}

// goroutines returns the stacks of those that forwards have.
func goroutines() string {
	all := make([]byte, 1<<20)
	var ours []string
	for g := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(g, "engine/docker.relay") || strings.Contains(g, "engine/docker.(*forward") || strings.Contains(g, "engine/docker.(*ncConn)") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n")
}
