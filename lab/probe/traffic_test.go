package probe_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// capturedAt returns the target with its HTTP port at addr, which is also its address on its network.
func capturedAt(addr string) probe.Target {
	host, _, _ := net.SplitHostPort(addr)
	return probe.Target{
		Name: "agent", Role: pki.Server, Region: "global", HTTP: addr, Address: host, ServerName: "server.global.nomad",
	}
}

// jobs answers like an agent without a job of that name, over TLS if there is a config.
func jobs(t *testing.T, config *tls.Config) string {
	t.Helper()
	answer := func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		status := "404 Not Found"
		if strings.HasPrefix(request.URL.Path, "/v1/status/") {
			status = "200 OK"
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status)
	}
	if config != nil {
		answer = secured(config, answer)
	}
	return listen(t, answer)
}

// These tests need the right to capture packets, as the probes do: without it they fail and say so.
func TestTrafficSearch(t *testing.T) {
	if err := probe.MayCapture(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newCredentials(t)
	secure, open := jobs(t, h.tlsConfig(t)), jobs(t, nil)
	me := probe.As(h.server).WithToken(secret, "a token")
	asking := probe.ReadJobTraffic(me)
	marker, name := probe.MarkerOn(probe.PlaneHTTP), probe.ServerNameOn(probe.PlaneHTTP)
	heavy := asking
	heavy.MinBytes = 1 << 20
	broken := probe.Traffic{Title: "nothing can be sent", Run: func(context.Context, probe.TrafficRun) error { return fmt.Errorf("no way") }}
	idle := probe.Traffic{Title: "nothing happens", Run: func(context.Context, probe.TrafficRun) error { return nil }}
	noAddress := capturedAt(secure)
	noAddress.Address = ""
	elsewhere := capturedAt(secure)
	elsewhere.Gossip = closedPort(t) // Nomad's own port may be used by a cluster on this machine
	for _, test := range []struct {
		name  string
		at    probe.Target
		probe probe.Probe
		want  probe.Outcome
	}{
		{"marker, TLS", capturedAt(secure), probe.TrafficSearch(marker, asking), probe.Absent},
		{"marker, no TLS", capturedAt(open), probe.TrafficSearch(marker, asking), probe.Found},
		{"server name, TLS", capturedAt(secure), probe.TrafficSearch(name, asking), probe.Found},
		{"marker in clear, to a port that wants TLS", capturedAt(secure), probe.TrafficSearch(marker, probe.PlaintextTraffic(probe.PlaneHTTP)), probe.Found},
		{"marker in clear, no TLS", capturedAt(open), probe.TrafficSearch(marker, probe.PlaintextTraffic(probe.PlaneHTTP)), probe.Found},
		{"marker in clear, dead agent", capturedAt(closedPort(t)), probe.TrafficSearch(marker, probe.PlaintextTraffic(probe.PlaneHTTP)), probe.NotReached},
		{"RPC in clear", rpcOf(capturedAt(secure)), probe.TrafficSearch(probe.MarkerOn(probe.PlaneRPC), probe.PlaintextTraffic(probe.PlaneRPC)), probe.Found},
		{"gossip in clear", gossipOf(t), probe.TrafficSearch(probe.MemberName(), probe.PlaintextTraffic(probe.PlaneGossip)), probe.Found},
		{"less than was sent", capturedAt(secure), probe.TrafficSearch(marker, heavy), probe.Failed},
		{"another port", elsewhere, probe.TrafficSearch(probe.MarkerOn(probe.PlaneGossip), asking), probe.Failed},
		{"no traffic", capturedAt(secure), probe.TrafficSearch(marker, idle), probe.Failed},
		{"traffic that fails", capturedAt(secure), probe.TrafficSearch(marker, broken), probe.NotReached},
		{"dead agent", capturedAt(closedPort(t)), probe.TrafficSearch(marker, asking), probe.NotReached},
		{"no certificate", capturedAt(secure), probe.TrafficSearch(marker, probe.ReadJobTraffic(probe.Anonymous(h.server))), probe.NotReached},
		{"no address", noAddress, probe.TrafficSearch(marker, asking), probe.NotReached},
		{"no member's name", capturedAt(secure), probe.TrafficSearch(probe.MemberName(), asking), probe.NotReached},
		{"nothing to look for", capturedAt(secure), probe.TrafficSearch(probe.PacketSearch{}, asking), probe.NotReached},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range 3 {
				o := test.probe.Observe(t.Context(), test.at)
				for test.want != probe.Failed && o.Retry && t.Context().Err() == nil { // packets were missed
					o = test.probe.Observe(t.Context(), test.at)
				}
				if o.Outcome != test.want {
					t.Fatalf("run %d: outcome %q, want %q: %+v", i, o.Outcome, test.want, o)
				}
				if o.Retry != (test.want == probe.Failed) {
					t.Fatalf("worth a retry: %t, although it is %q", o.Retry, o.Outcome)
				}
				if o.Plane != probe.PlaneNetwork {
					t.Fatalf("plane is %q", o.Plane)
				}
			}
		})
	}
}

// TestTrafficSearchWithoutALeader: traffic that fails while servers elect a leader, or because an agent is too busy, may succeed
// later. The control is an agent that answers another error.
func TestTrafficSearchWithoutALeader(t *testing.T) {
	if err := probe.MayCapture(t.Context()); err != nil {
		t.Fatal(err)
	}
	me := probe.As(newCredentials(t).server)
	for says, want := range map[string]bool{"No cluster leader": true, "the disk is full": false} {
		at := capturedAt(listen(t, func(conn net.Conn) {
			request, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			status := "500 Internal Server Error"
			if strings.HasPrefix(request.URL.Path, "/v1/status/") {
				status = "200 OK"
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(says), says)
		}))
		for title, traffic := range map[string]probe.Traffic{"asking": probe.ReadJobTraffic(me), "writing": probe.WriteVariableTraffic(me)} {
			o := probe.TrafficSearch(probe.MarkerOn(probe.PlaneHTTP), traffic).Observe(t.Context(), at)
			if o.Outcome != probe.NotReached || o.Unsettled != want || !strings.Contains(o.Err, says) {
				t.Errorf("%s of an agent that says %q: %s, unsettled %t: %s", title, says, o.Outcome, o.Unsettled, o.Err)
			}
		}
	}
}

// A plaintext request has no token: otherwise the probe would send it to every listener on the network.
func TestNoTokenGoesInClear(t *testing.T) {
	h := newCredentials(t)
	at := capturedAt(jobs(t, nil))
	capture, err := probe.StartCapture(t.Context(), at, 0)
	if err != nil {
		t.Fatal(err)
	}
	token := probe.As(h.server).WithToken(secret, "a token")
	for _, traffic := range []probe.Traffic{probe.ReadJobTraffic(token), probe.WriteVariableTraffic(token)} {
		if err := traffic.Run(t.Context(), probe.TrafficRun{Target: at, Marker: "a-marker", Capture: capture}); err != nil {
			t.Fatal(err)
		}
	}
	if err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := capture.Stop(); err != nil {
		t.Errorf("the second stop: %v", err)
	}
	port := portOf(t, at.HTTP)
	if !capture.Contains(port, []byte("a-marker")) {
		t.Fatal("the marker was not overheard, so that nothing is proved of the token")
	}
	if capture.Contains(port, []byte(secret)) {
		t.Error("the token went in clear")
	}
}

// A capture has the packets from and to the target's network and that port, and no others.
func TestCaptureIsOfOneNetwork(t *testing.T) {
	at := capturedAt(jobs(t, nil))
	other := at
	other.Address = "127.77.7.7"
	published := other
	published.Published = at.Address
	port := portOf(t, at.HTTP)
	captures := map[*probe.PacketCapture]bool{
		must(probe.StartCapture(t.Context(), at, 0))(t): true, must(probe.StartCapture(t.Context(), other, 0))(t): false,
		must(probe.StartCapture(t.Context(), published, 0))(t): true, must(probe.StartCapture(t.Context(), published, port+1))(t): false,
		must(probe.StartCapture(t.Context(), at, port))(t): true, must(probe.StartCapture(t.Context(), at, port+1))(t): false,
	}
	if o := probe.PlainHTTP("/v1/job/a-marker").Observe(t.Context(), at); o.Outcome != probe.Denied {
		t.Fatalf("nothing was sent: %+v", o)
	}
	for capture, want := range captures {
		if err := capture.Stop(); err != nil {
			t.Fatal(err)
		}
		if got := capture.Contains(portOf(t, at.HTTP), []byte("a-marker")); got != want {
			t.Errorf("holds the marker: %t, want %t", got, want)
		}
	}
}

// rpcOf returns the target with its HTTP port as its RPC port: plaintext that is sent to it goes over the network all the same.
func rpcOf(target probe.Target) probe.Target {
	target.HTTP, target.RPC = "", target.HTTP
	return target
}

// gossipOf returns a server that encrypts its gossip.
func gossipOf(t *testing.T) probe.Target {
	t.Helper()
	target := gossipTarget(gossiper(t, true, ours).LocalNode().FullAddress().Addr)
	target.Address, target.Member = "127.0.0.1", "server-1.global"
	return target
}

func portOf(t *testing.T, addr string) uint16 {
	t.Helper()
	return must(netip.ParseAddrPort(addr))(t).Port()
}
