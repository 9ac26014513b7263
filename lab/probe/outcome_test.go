package probe_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"nomadlab.internal/lab/probe"
)

// situation is a probe whose outcome is not Accepted, with its control: the same with one thing put right, which is.
type situation struct {
	name    string
	at      string
	probe   probe.Probe
	want    probe.Outcome
	rightAt string // zero: at
	right   probe.Probe
}

// shortly returns the probe with a short timeout, for listeners that send nothing.
func shortly(p probe.Probe) probe.Probe {
	p.Timeout = 150 * time.Millisecond
	return p
}

func TestOutcomesAreStable(t *testing.T) {
	h := newCredentials(t)
	var all []situation
	for _, group := range [][]situation{
		unreachable(t, h), refusedInHandshake(t, h), refusedAfterHandshake(t, h), answered(t, h), plaintext(t, h),
	} {
		all = append(all, group...)
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			rightAt := s.rightAt
			if rightAt == "" {
				rightAt = s.at
			}
			for i := range runs {
				if o := s.probe.Observe(t.Context(), target(s.at)); o.Outcome != s.want {
					t.Fatalf("run %d: outcome %q, want %q: %+v", i, o.Outcome, s.want, o)
				}
				if o := s.right.Observe(t.Context(), target(rightAt)); o.Outcome != probe.Accepted {
					t.Fatalf("run %d: the control's outcome is %q, want %q: %+v", i, o.Outcome, probe.Accepted, o)
				}
			}
		})
	}
}

// call, ask and fetch return the probes of a caller with the needed rights.
func call(h credentials) probe.Probe        { return probe.RPC("Status.Leader", probe.As(h.server)) }
func sendRequest(h credentials) probe.Probe { return probe.Raft(probe.As(h.server)) }
func fetch(h credentials) probe.Probe       { return probe.HTTP("/ok", probe.As(h.server)) }

func unreachable(t *testing.T, h credentials) []situation {
	config := h.tlsConfig(t)
	dead, silent := closedPort(t), listen(t, read)
	silentBehindTLS := listen(t, secured(config, read))
	silentBehindByte := listen(t, behindTLS(config, read))
	https, rpc := web(t, config), rpcPort(t, config)
	plainHTTPAt, plainRPCAt := web(t, nil), rpcPort(t, nil)
	plainHTTP, plainRPC := probe.PlainHTTP("/ok"), probe.PlainRPC(probe.FramingNomad)
	return []situation{
		{"closed port, HTTPS", dead, fetch(h), probe.NotReached, https, fetch(h)},
		{"closed port, HTTP", dead, plainHTTP, probe.NotReached, plainHTTPAt, plainHTTP},
		{"closed port, RPC", dead, call(h), probe.NotReached, rpc, call(h)},
		{"closed port, Raft", dead, sendRequest(h), probe.NotReached, rpc, sendRequest(h)},
		{"closed port, plaintext RPC", dead, plainRPC, probe.NotReached, plainRPCAt, plainRPC},
		{"silent, HTTPS", silent, shortly(fetch(h)), probe.NotReached, https, fetch(h)},
		{"silent, HTTP", silent, shortly(plainHTTP), probe.NotReached, plainHTTPAt, plainHTTP},
		{"silent, RPC", silent, shortly(call(h)), probe.NotReached, rpc, call(h)},
		{"silent, plaintext RPC", silent, shortly(plainRPC), probe.NotReached, plainRPCAt, plainRPC},
		{"silent after the handshake, HTTPS", silentBehindTLS, shortly(fetch(h)), probe.NotReached, https, fetch(h)},
		{"silent after the handshake, RPC", silentBehindByte, shortly(call(h)), probe.NotReached, rpc, call(h)},
		{"silent after the handshake, Raft", silentBehindByte, shortly(sendRequest(h)), probe.NotReached, rpc, sendRequest(h)},
		{"no address", "", fetch(h), probe.NotReached, https, fetch(h)},
		{"empty caller", https, probe.HTTP("/ok", probe.Caller{}), probe.NotReached, https, fetch(h)},
		{"empty probe", https, probe.Probe{}, probe.NotReached, https, fetch(h)},
		{"unknown framing", plainRPCAt, probe.PlainRPC(0x99), probe.NotReached, "", plainRPC},
	}
}

func refusedInHandshake(t *testing.T, h credentials) []situation {
	config := h.tlsConfig(t)
	https, rpc := web(t, config), rpcPort(t, config)
	plainHTTPAt := web(t, nil)
	refusing := listen(t, securedOrReset(config, say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
	resetting := listen(t, func(conn net.Conn) {
		own := config.Clone()
		own.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error {
			reset(conn)
			return errors.New("refused without an alert")
		}
		_ = tls.Server(conn, own).Handshake()
	})
	nobody := probe.Anonymous(h.server)
	get := func(as probe.Caller) probe.Probe { return probe.HTTP("/ok", as) }
	leader := func(as probe.Caller) probe.Probe { return probe.RPC("Status.Leader", as) }
	const want = probe.RefusedInHandshake
	return []situation{
		{"no certificate, HTTPS, TLS 1.3", https, get(nobody), want, "", fetch(h)},
		{"no certificate, HTTPS, TLS 1.2", https, get(nobody.TLSAtMost(tls.VersionTLS12)), want, "", get(probe.As(h.server).TLSAtMost(tls.VersionTLS12))},
		{"no certificate, RPC, TLS 1.3", rpc, leader(nobody), want, "", call(h)},
		{"no certificate, RPC, TLS 1.2", rpc, leader(nobody.TLSAtMost(tls.VersionTLS12)), want, "", leader(probe.As(h.server).TLSAtMost(tls.VersionTLS12))},
		{"no certificate, Raft", rpc, probe.Raft(nobody), want, "", sendRequest(h)},
		{"no certificate, alert and reset, TLS 1.3", refusing, get(nobody), want, "", fetch(h)},
		{"no certificate, alert and reset, TLS 1.2", refusing, get(nobody.TLSAtMost(tls.VersionTLS12)), want, "", fetch(h)},
		{"reset for an alert, TLS 1.3", resetting, fetch(h), want, https, fetch(h)},
		{"reset for an alert, TLS 1.2", resetting, get(probe.As(h.server).TLSAtMost(tls.VersionTLS12)), want, https, fetch(h)},
		{"foreign certificate", rpc, leader(probe.As(h.foreign)), want, "", call(h)},
		{"expired certificate", rpc, leader(probe.As(h.expired)), want, "", call(h)},
		{"TLS too old", https, get(probe.As(h.server).TLSAtMost(tls.VersionTLS11)), want, "", fetch(h)},
		{"closed at once, HTTPS", listen(t, closeAtOnce), fetch(h), want, https, fetch(h)},
		{"closed at once, RPC", listen(t, closeAtOnce), call(h), want, rpc, call(h)},
		{"closed after the first byte, RPC", listen(t, closeAfterByte), call(h), want, rpc, call(h)},
		{"closed after the hello, HTTPS", listen(t, closeAfterRead), fetch(h), want, https, fetch(h)},
		{"reset at once, RPC", listen(t, reset), call(h), want, rpc, call(h)},
		{"reset after the hello, HTTPS", listen(t, resetAfterRead), fetch(h), want, https, fetch(h)},
		{"HTTPS asked of HTTP", plainHTTPAt, fetch(h), want, https, fetch(h)},
	}
}

func refusedAfterHandshake(t *testing.T, h credentials) []situation {
	config := h.tlsConfig(t)
	https, rpc := web(t, config), rpcPort(t, config)
	old := func(p func(probe.Caller) probe.Probe) probe.Probe {
		return p(probe.As(h.server).TLSAtMost(tls.VersionTLS12))
	}
	const want = probe.RefusedAfterHandshake
	return []situation{
		{"closed after the handshake, HTTPS", listen(t, secured(config, closeAtOnce)), fetch(h), want, https, fetch(h)},
		{"closed after the request, HTTPS", listen(t, secured(config, closeAfterRead)), fetch(h), want, https, fetch(h)},
		{"closed after the handshake, RPC", listen(t, behindTLS(config, closeAtOnce)), call(h), want, rpc, call(h)},
		{"closed after the framing byte, Raft", listen(t, behindTLS(config, closeAfterByte)), sendRequest(h), want, rpc, sendRequest(h)},
		{"closed after the framing byte, Raft, TLS 1.2", listen(t, behindTLS(config, closeAfterByte)), old(probe.Raft), want, rpc, old(probe.Raft)},
		{"reset after the handshake, Raft", listen(t, behindTLS(config, reset)), sendRequest(h), want, rpc, sendRequest(h)},
		{"reset after the request, Raft", listen(t, behindTLS(config, resetAfterRead)), sendRequest(h), want, rpc, sendRequest(h)},
		{"reset after the request, RPC", listen(t, behindTLS(config, resetAfterRead)), call(h), want, rpc, call(h)},
	}
}

func answered(t *testing.T, h credentials) []situation {
	config := h.tlsConfig(t)
	https, rpc := web(t, config), rpcPort(t, config)
	me := probe.As(h.server)
	return []situation{
		{"plain HTTP to an HTTPS port", https, probe.PlainHTTP("/ok"), probe.Denied, "", fetch(h)},
		{"HTTP 403", https, probe.HTTP("/forbidden", me), probe.Denied, "", fetch(h)},
		{"HTTP 404", https, probe.HTTP("/none", me), probe.Denied, "", fetch(h)},
		{"HTTP 500", https, probe.HTTP("/broken", me), probe.Failed, "", fetch(h)},
		{"RPC permission denied", rpc, probe.RPC("Eval.Dequeue", me), probe.Denied, "", call(h)},
		{"RPC error of another kind", rpc, probe.RPC("Eval.Ack", me), probe.Failed, "", call(h)},
		{"RPC of no endpoint", rpc, probe.RPC("No.Such", me), probe.Failed, "", call(h)},
		{"RPC with a wrong argument", rpc, probe.RPCCall(probe.Call{Method: "Status.Leader", Args: map[string]any{"Region": "mars"}}, me), probe.Failed, "", call(h)},
		{"half an HTTP answer", listen(t, secured(config, say("HTTP/1.1 200 O"))), fetch(h), probe.Failed, https, fetch(h)},
		{"not an HTTP answer", listen(t, secured(config, say("220 mail\r\n\r\n"))), fetch(h), probe.Failed, https, fetch(h)},
		{"not an RPC answer", listen(t, behindTLS(config, say("\xc1\xc1\xc1\xc1"))), call(h), probe.Failed, rpc, call(h)},
		{"not a Raft answer", listen(t, behindTLS(config, say("\xc1\xc1\xc1\xc1"))), sendRequest(h), probe.Failed, rpc, sendRequest(h)},
	}
}

func plaintext(t *testing.T, h credentials) []situation {
	secure, open := rpcPort(t, h.tlsConfig(t)), rpcPort(t, nil)
	var all []situation
	for _, f := range []probe.Framing{
		probe.FramingNomad, probe.FramingRaft, probe.FramingMultiplex, probe.FramingStreaming, probe.FramingMultiplexV2,
	} {
		p := probe.PlainRPC(f)
		all = append(all,
			situation{"plaintext " + f.String(), secure, p, probe.RefusedInHandshake, open, p},
			situation{"plaintext, closed at once, " + f.String(), listen(t, closeAtOnce), p, probe.RefusedInHandshake, open, p},
			situation{"over TLS without a certificate, " + f.String(), secure,
				probe.RPCOver(f, probe.Anonymous(h.server)), probe.RefusedInHandshake, "", probe.RPCOver(f, probe.As(h.server))},
		)
	}
	return all
}
