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

// heardAt is the target whose HTTP port is at addr, which is its address on its own network as well.
func heardAt(addr string) probe.Target {
	host, _, _ := net.SplitHostPort(addr)
	return probe.Target{
		Name: "agent", Role: pki.Server, Region: "global", HTTP: addr, Address: host, ServerName: "server.global.nomad",
	}
}

// jobs answers as an agent that has no job of that name, over TLS if there is a config.
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

// These tests need the right to listen on the network, as the probes do: without it they fail and say so.
func TestOverheard(t *testing.T) {
	if err := probe.MayListen(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	secure, open := jobs(t, h.tlsConfig(t)), jobs(t, nil)
	me := probe.As(h.server).WithToken(secret, "a token")
	asking := probe.AskingForJob(me)
	marker, name := probe.MarkerOn(probe.PlaneHTTP), probe.ServerNameOn(probe.PlaneHTTP)
	heavy := asking
	heavy.Weight = 1 << 20
	broken := probe.Traffic{Title: "nothing can be sent", Cause: func(context.Context, probe.TrafficRun) error { return fmt.Errorf("no way") }}
	idle := probe.Traffic{Title: "nothing happens", Cause: func(context.Context, probe.TrafficRun) error { return nil }}
	noAddress := heardAt(secure)
	noAddress.Address = ""
	elsewhere := heardAt(secure)
	elsewhere.Gossip = closedPort(t) // Nomad's own port may be used by a cluster on this machine
	for _, test := range []struct {
		name  string
		at    probe.Target
		probe probe.Probe
		want  probe.Outcome
	}{
		{"marker, TLS", heardAt(secure), probe.Overheard(marker, asking), probe.Absent},
		{"marker, no TLS", heardAt(open), probe.Overheard(marker, asking), probe.Found},
		{"server name, TLS", heardAt(secure), probe.Overheard(name, asking), probe.Found},
		{"marker in clear, to a port that wants TLS", heardAt(secure), probe.Overheard(marker, probe.SpeakingInClear(probe.PlaneHTTP)), probe.Found},
		{"marker in clear, no TLS", heardAt(open), probe.Overheard(marker, probe.SpeakingInClear(probe.PlaneHTTP)), probe.Found},
		{"marker in clear, dead agent", heardAt(closedPort(t)), probe.Overheard(marker, probe.SpeakingInClear(probe.PlaneHTTP)), probe.NotReached},
		{"RPC in clear", rpcOf(heardAt(secure)), probe.Overheard(probe.MarkerOn(probe.PlaneRPC), probe.SpeakingInClear(probe.PlaneRPC)), probe.Found},
		{"gossip in clear", gossipOf(t), probe.Overheard(probe.MemberName(), probe.SpeakingInClear(probe.PlaneGossip)), probe.Found},
		{"less than was sent", heardAt(secure), probe.Overheard(marker, heavy), probe.Failed},
		{"another port", elsewhere, probe.Overheard(probe.MarkerOn(probe.PlaneGossip), asking), probe.Failed},
		{"no traffic", heardAt(secure), probe.Overheard(marker, idle), probe.Failed},
		{"traffic that fails", heardAt(secure), probe.Overheard(marker, broken), probe.NotReached},
		{"dead agent", heardAt(closedPort(t)), probe.Overheard(marker, asking), probe.NotReached},
		{"no certificate", heardAt(secure), probe.Overheard(marker, probe.AskingForJob(probe.Anonymous(h.server))), probe.NotReached},
		{"no address", noAddress, probe.Overheard(marker, asking), probe.NotReached},
		{"no member's name", heardAt(secure), probe.Overheard(probe.MemberName(), asking), probe.NotReached},
		{"nothing to look for", heardAt(secure), probe.Overheard(probe.Overhearing{}, asking), probe.NotReached},
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

// TestOverheardBetweenLeaders: traffic that cannot be caused while servers elect a leader, or that an agent is too busy for, may be later.
// The control is an agent that says another no.
func TestOverheardBetweenLeaders(t *testing.T) {
	if err := probe.MayListen(t.Context()); err != nil {
		t.Fatal(err)
	}
	me := probe.As(newHouse(t).server)
	for says, want := range map[string]bool{"No cluster leader": true, "the disk is full": false} {
		at := heardAt(listen(t, func(conn net.Conn) {
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
		for title, traffic := range map[string]probe.Traffic{"asking": probe.AskingForJob(me), "writing": probe.WritingVariable(me)} {
			o := probe.Overheard(probe.MarkerOn(probe.PlaneHTTP), traffic).Observe(t.Context(), at)
			if o.Outcome != probe.NotReached || o.Unsettled != want || !strings.Contains(o.Err, says) {
				t.Errorf("%s of an agent that says %q: %s, unsettled %t: %s", title, says, o.Outcome, o.Unsettled, o.Err)
			}
		}
	}
}

// What is sent in clear has no token with it: else the probe would show it to whoever else listens.
func TestNoTokenGoesInClear(t *testing.T) {
	h := newHouse(t)
	at := heardAt(jobs(t, nil))
	capture, err := probe.StartCapture(t.Context(), at, 0)
	if err != nil {
		t.Fatal(err)
	}
	token := probe.As(h.server).WithToken(secret, "a token")
	for _, traffic := range []probe.Traffic{probe.AskingForJob(token), probe.WritingVariable(token)} {
		if err := traffic.Cause(t.Context(), probe.TrafficRun{Target: at, Marker: "a-marker", Capture: capture}); err != nil {
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

// A capture has what goes from and to the target's network and that port, and nothing else: others' packets are not ours to
// keep.
func TestCaptureIsOfOneNetwork(t *testing.T) {
	at := heardAt(jobs(t, nil))
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

// rpcOf is the target with its HTTP port for its RPC port: what is sent to it in clear goes over the network all the same.
func rpcOf(target probe.Target) probe.Target {
	target.HTTP, target.RPC = "", target.HTTP
	return target
}

// gossipOf is a server that encrypts its gossip.
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
