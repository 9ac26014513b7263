package probe_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nomadlab.internal/lab/probe"
)

// hanging counts the connections, and never answers on them.
func hanging(t *testing.T) (at string, connections *atomic.Int32) {
	t.Helper()
	connections = new(atomic.Int32)
	return listen(t, func(c net.Conn) {
		connections.Add(1)
		_, _ = io.Copy(io.Discard, c)
	}), connections
}

// TestAHangingPortIsLeftAlone: it is tested once, with any number of callers that waited in vain, and then nothing is sent there.
// The agent's other ports do not matter.
func TestAHangingPortIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	at, connections := hanging(t)
	agent := target(at)
	agent.RPC, agent.Gossip, agent.Silent = rpcPort(t, h.tlsConfig(t)), "", probe.NewSilentPorts(nil)
	const callers = 4
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if o := shortly(fetch(h)).Observe(t.Context(), agent); o.Outcome != probe.NotReached {
				t.Errorf("outcome %q", o.Outcome)
			}
		})
	}
	all.Wait()
	if why := agent.Silent.At(probe.PlaneCluster); !strings.Contains(why, "stopped answering at its HTTP port") {
		t.Errorf("the port is silent because %q", why)
	}
	if n := connections.Load(); n != callers+1 {
		t.Errorf("%d connections, want %d: one for each caller and one probe", n, callers+1)
	}
	o := fetch(h).Observe(t.Context(), agent)
	if o.Outcome != probe.NotReached || o.Err != agent.Silent.At(probe.PlaneHTTP) || connections.Load() != callers+1 {
		t.Errorf("a silent port was called: %+v", o)
	}
	if o := call(h).Observe(t.Context(), agent); o.Outcome != probe.Accepted || agent.Silent.At(probe.PlaneRaft) != "" {
		t.Errorf("its other port: %q: %s", o.Outcome, o.Err)
	}
}

// TestAHangingAgentIsTestedOnce: if one port has become silent, the others are tested too.
func TestAHangingAgentIsTestedOnce(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	at, connections := hanging(t)
	agent := target(at)
	agent.Gossip, agent.Silent = at, probe.NewSilentPorts(nil)
	if o := shortly(fetch(h)).Observe(t.Context(), agent); o.Outcome != probe.NotReached {
		t.Errorf("outcome %q", o.Outcome)
	}
	for _, port := range probe.Ports() {
		if why := agent.Silent.At(port); !strings.Contains(why, fmt.Sprintf("stopped answering at its %s port", port)) {
			t.Errorf("the %s port is silent because %q", port, why)
		}
	}
	if n := connections.Load(); n != 1+3 {
		t.Errorf("%d connections, want one for the caller and a probe of each port", n)
	}
}

// TestASlowAnswerIsNoSilence: a port that answers the test is used again.
func TestASlowAnswerIsNoSilence(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	agent := target(listen(t, func(c net.Conn) {
		var first [1]byte
		if _, err := io.ReadFull(c, first[:]); err == nil && first[0] != 0x04 { // a probe
			return
		}
		_, _ = io.Copy(io.Discard, c)
	}))
	agent.Silent = probe.NewSilentPorts(nil)
	if o := shortly(call(h)).Observe(t.Context(), agent); o.Outcome != probe.NotReached || agent.Silent.At(probe.PlaneRPC) != "" {
		t.Errorf("outcome %q, silent because %q", o.Outcome, agent.Silent.At(probe.PlaneRPC))
	}
}

// TestAHangKeepsNoConnection: an agent that does nothing at all keeps connections too, which shows no lack of a timeout. One that
// answers meanwhile shows it.
func TestAHangKeepsNoConnection(t *testing.T) {
	t.Parallel()
	at, _ := hanging(t)
	answers := listen(t, func(c net.Conn) {
		var first [1]byte
		if _, err := io.ReadFull(c, first[:]); err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
		}
		_, _ = io.Copy(io.Discard, c)
	})
	for at, want := range map[string]probe.Outcome{at: probe.NotReached, answers: probe.Accepted} {
		agent := target(at)
		agent.Silent = probe.NewSilentPorts(nil)
		if o := probe.HTTPSilent(idleTime).Observe(t.Context(), agent); o.Outcome != want {
			t.Errorf("outcome %q, want %q: %s %s", o.Outcome, want, o.Received, o.Err)
		}
	}
}

// TestSilentPorts: nothing is sent to a port that is known to be silent, also not by a probe that needs it besides its own.
func TestSilentPorts(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	at, connections := hanging(t)
	agent := target(at)
	agent.Address = "127.0.0.1"
	agent.Silent = probe.NewSilentPorts(map[probe.Plane]string{probe.PlaneHTTP: "it is paused"})
	wire := probe.TrafficSearch(probe.MarkerOn(probe.PlaneRPC), probe.RegisterJobTraffic(probe.As(h.server)))
	for _, p := range []probe.Probe{fetch(h), probe.PlainHTTP("/"), wire} {
		if o := p.Observe(t.Context(), agent); o.Outcome != probe.NotReached || o.Err != "it is paused" || p.SilentReason(agent) != o.Err {
			t.Errorf("%s: %+v", p.Sentence, o)
		}
	}
	if why := call(h).SilentReason(agent); why != "" || connections.Load() != 0 {
		t.Errorf("RPC is silent because %q, %d connections", why, connections.Load())
	}
}
