package probe_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/lab/probe"
)

const (
	// idleTime is how long the probes of this file wait, and handshakeTime is the timeout of a listener that has one: enough for a
	// TLS handshake on a busy machine.
	idleTime      = 3 * time.Second
	handshakeTime = time.Second
	// brief is a wait that nothing depends on.
	brief = 100 * time.Millisecond
)

// within closes the connection after handshakeTime.
func within(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(handshakeTime))
	read(conn)
}

// webLimited serves HTTPS with net/http's own timeouts.
func webLimited(t *testing.T, config *tls.Config, header, idle time.Duration) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: header, IdleTimeout: idle, ErrorLog: quiet(),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("leader")) }),
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// TestAgentWithAHandshakeTimeout: to end a connection without a message is a refusal at once, and none after the timeout.
func TestAgentWithAHandshakeTimeout(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	me := probe.As(h.server)
	for name, test := range map[string]struct {
		wait time.Duration
		want probe.Outcome
	}{
		"at once":         {0, probe.RefusedAfterHandshake},
		"after that time": {5100 * time.Millisecond, probe.NotReached},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var callers atomic.Int32
			at := listen(t, secured(h.tlsConfig(t), func(net.Conn) {
				callers.Add(1)
				<-time.After(test.wait) // the agent's clock
			}))
			p := probe.HTTP("/ok", me)
			p.Timeout = time.Minute
			o := p.ObserveRetrying(t.Context(), target(at))
			slow := test.want == probe.NotReached
			if o.Outcome != test.want || o.Retry != slow || o.Unsettled != slow || slow && !strings.Contains(o.Err, "too slow") {
				t.Errorf("%+v", o)
			}
			if tried := callers.Load(); slow != (tried == probe.MaxTries) {
				t.Errorf("it was tried %d times", tried)
			}
		})
	}
}

func TestHandshakeTimeouts(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	config := h.tlsConfig(t)
	me := probe.As(h.server)
	const in, after, kept = probe.RefusedInHandshake, probe.RefusedAfterHandshake, probe.Accepted
	unlimited, limited := listen(t, read), listen(t, within)
	var all sync.WaitGroup
	for _, test := range []struct {
		at    string
		probe probe.Probe
		want  probe.Outcome
	}{
		{limited, probe.HTTPSilent(idleTime), in},
		{unlimited, probe.HTTPSilent(idleTime), kept},
		{limited, probe.HTTPHalfHello(idleTime), in},
		{unlimited, probe.HTTPHalfHello(idleTime), kept},
		{webLimited(t, config, handshakeTime, 0), probe.HTTPSlowHeaders(me, idleTime), after},
		{webLimited(t, config, 0, handshakeTime), probe.HTTPSlowHeaders(me, idleTime), kept},
		{limited, probe.RPCSilent(idleTime), in},
		{unlimited, probe.RPCSilent(idleTime), kept},
		{limited, probe.RPCSilentAfterTLSByte(idleTime), in},
		{unlimited, probe.RPCSilentAfterTLSByte(idleTime), kept},
		{limited, probe.RPCHalfHello(idleTime), in},
		{unlimited, probe.RPCHalfHello(idleTime), kept},
	} {
		// In parallel, as each of them waits.
		all.Go(func() {
			o := test.probe.Observe(t.Context(), target(test.at))
			for o.Retry && t.Context().Err() == nil { // this machine is too busy to close it in time
				o = test.probe.Observe(t.Context(), target(test.at))
			}
			if o.Outcome != test.want || o.Took < idleTime != o.Outcome.Refused() {
				t.Errorf("%s: outcome %q, want %q: %+v", test.probe.Sentence, o.Outcome, test.want, o)
			}
			if o := test.probe.Observe(t.Context(), target(closedPort(t))); o.Outcome != probe.NotReached {
				t.Errorf("%s at a closed port: %q", test.probe.Sentence, o.Outcome)
			}
			ctx, cancel := context.WithTimeout(t.Context(), brief)
			defer cancel()
			if o := test.probe.Observe(ctx, target(unlimited)); o.Outcome != probe.NotReached {
				t.Errorf("%s, given up: %q", test.probe.Sentence, o.Outcome)
			}
		})
	}
	all.Wait()
}

// What a probe sends before it waits decides which timeout ends it.
func TestWhatIsSentBeforeTheWait(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	config := h.tlsConfig(t)
	me := probe.As(h.server)
	hello := func(said []byte) bool {
		return len(said) > 50 && bytes.HasPrefix(said, []byte{0x16, 3, 1}) && len(said) < 5+int(said[3])<<8+int(said[4])
	}
	nothing := func(said []byte) bool { return len(said) == 0 }
	plain := func(handle func(net.Conn)) func(net.Conn) { return handle }
	inside := func(handle func(net.Conn)) func(net.Conn) { return secured(config, handle) }
	for _, test := range []struct {
		probe probe.Probe
		where func(func(net.Conn)) func(net.Conn)
		right func([]byte) bool
	}{
		{probe.HTTPSilent(brief), plain, nothing},
		{probe.HTTPHalfHello(brief), plain, hello},
		{probe.HTTPSlowHeaders(me, brief), inside, func(said []byte) bool {
			return strings.HasPrefix(string(said), "GET /") && !strings.Contains(string(said), "\r\n\r\n")
		}},
		{probe.RPCSilent(brief), plain, nothing},
		{probe.RPCSilentAfterTLSByte(brief), plain, func(said []byte) bool { return bytes.Equal(said, []byte{4}) }},
		{probe.RPCHalfHello(brief), plain, func(said []byte) bool { return said[0] == 4 && hello(said[1:]) }},
	} {
		t.Run(test.probe.Sentence, func(t *testing.T) {
			t.Parallel()
			requests := make(chan []byte, 1)
			at := listen(t, test.where(func(conn net.Conn) {
				var said bytes.Buffer
				_, _ = said.ReadFrom(conn)
				requests <- said.Bytes()
			}))
			if o := test.probe.Observe(t.Context(), target(at)); o.Outcome != probe.Accepted {
				t.Fatalf("%+v", o)
			}
			if said := <-requests; !test.right(said) {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestSentencesOfIdleProbes(t *testing.T) {
	h := newCredentials(t)
	me := probe.As(h.cli)
	for want, p := range map[string]probe.Probe{
		"connect to the HTTP port and say nothing for 7s":                                        probe.HTTPSilent(7 * time.Second),
		"send half a request's header over HTTPS with a certificate for cli.global.nomad for 7s": probe.HTTPSlowHeaders(me, 7*time.Second),
		"hold 130 connections to the HTTP port at once with a certificate for cli.global.nomad":  probe.HTTPFlood(130, me),
		"hold 130 connections to the RPC port at once with a certificate for cli.global.nomad":   probe.RPCFlood(130, me),
	} {
		if p.Sentence != want {
			t.Errorf("sentence %q, want %q", p.Sentence, want)
		}
		if p.Timeout <= 7*time.Second {
			t.Errorf("%s: only %s", want, p.Timeout)
		}
	}
}
