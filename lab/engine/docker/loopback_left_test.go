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

// demandProcesses counts those that make connections in the container, by the kernel's word.
func (w world) demandProcesses(t *testing.T, id string, want int) {
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

func demandClosed(t *testing.T, at netip.AddrPort) {
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

// nobodyStaysInside: whoever goes away takes nc along, also where the node does not care.
func nobodyStaysInside(t *testing.T, w world) {
	w.Engine = connect(t)
	w.ByCommand()
	w.HangUpAfter(time.Second)
	s := w.state(t, "one")
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset":  func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		conn := dial(t, s.Endpoints[hushPort])
		w.demandProcesses(t, s.ID, 1)
		if err := leave(conn); err != nil {
			t.Error(err)
		}
		w.demandProcesses(t, s.ID, 0)
		t.Logf("%s: gone", name)
	}
}

// TestNothingIsLeftOfInside of whatever ends the node. It runs alone: it looks at the goroutines of this package.
func TestNothingIsLeftOfInside(t *testing.T) { //nolint:paralleltest // see above
	ways(t, func(t *testing.T, w world) {
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
			busy := dial(t, s.Endpoints[hushPort])
			eventually(t, "a goroutine is there (the control)", func() string {
				if !strings.Contains(goroutines(), "docker.carry") {
					return "none"
				}
				return ""
			})
			w.demandProcesses(t, s.ID, w.perConnection())
			if err := c.end(); err != nil {
				t.Fatal(err)
			}
			if _, err := busy.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the caller is not told: %v", c.name, err)
			}
			eventually(t, "after the "+c.name+" no goroutine is left", goroutines)
			demandClosed(t, s.Endpoints[hushPort])
		}
	})
}

// perConnection is how many processes a connection takes.
func (w world) perConnection() int {
	if w.CommandsAlone() {
		return 1
	}
	return 0
}

// goroutines are those that doors have.
func goroutines() string {
	all := make([]byte, 1<<20)
	var ours []string
	for g := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(g, "engine/docker.carry") || strings.Contains(g, "engine/docker.(*door") || strings.Contains(g, "engine/docker.(*netcat)") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n")
}
