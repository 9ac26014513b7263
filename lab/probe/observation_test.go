package probe_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

func TestObservationSaysWhatWasSeen(t *testing.T) {
	h := newCredentials(t)
	config := h.tlsConfig(t)
	config.MaxVersion = tls.VersionTLS12
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	rpc := rpcPort(t, config)

	type seen struct {
		Plane                           probe.Plane
		Outcome                         probe.Outcome
		Sent, Received, Version, Cipher string
	}
	const version, suite = "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
	tests := []struct {
		probe probe.Probe
		want  seen
	}{
		{call(h), seen{probe.PlaneRPC, probe.Accepted, "0x04, TLS handshake, 0x01, Nomad RPC, Status.Leader", `leader "127.0.0.1:4647"`, version, suite}},
		{sendRequest(h), seen{probe.PlaneRaft, probe.Accepted, "0x04, TLS handshake, 0x02, Raft, RequestPreVote of term 1", "pre-vote of term 7, granted false", version, suite}},
		{probe.RPC("Status.Leader", probe.Anonymous(h.server)), seen{probe.PlaneRPC, probe.RefusedInHandshake, "0x04, TLS handshake, 0x01, Nomad RPC, Status.Leader", "TLS alert: handshake failure", version, suite}},
		{probe.RPC("Eval.Dequeue", probe.As(h.server)), seen{probe.PlaneRPC, probe.Denied, "0x04, TLS handshake, 0x01, Nomad RPC, Eval.Dequeue", "error: rpc error: Permission denied", version, suite}},
	}
	for _, test := range tests {
		o := test.probe.Observe(t.Context(), target(rpc))
		got := seen{o.Plane, o.Outcome, o.Sent, o.Received, o.TLSVersion, o.CipherSuite}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.probe.Sentence, diff)
		}
		if !strings.Contains(o.ServerCertificate, "server.global.nomad") || !strings.Contains(o.ServerCertificate, "probe test CA") {
			t.Errorf("%s: server certificate described as %q", test.probe.Sentence, o.ServerCertificate)
		}
		if o.Took <= 0 {
			t.Errorf("%s: took %s", test.probe.Sentence, o.Took)
		}
	}
}

func TestDeniedHTTPKeepsTheReason(t *testing.T) {
	h := newCredentials(t)
	https := web(t, h.tlsConfig(t))
	tests := []struct {
		probe probe.Probe
		want  string
	}{
		{probe.PlainHTTP("/ok"), "400 Bad Request: Client sent an HTTP request to an HTTPS server."},
		{probe.HTTP("/forbidden", probe.As(h.cli)), "403 Forbidden: Permission denied"},
		{probe.HTTP("/ok", probe.As(h.cli)), "200 OK"},
	}
	for _, test := range tests {
		if got := test.probe.Observe(t.Context(), target(https)).Received; got != test.want {
			t.Errorf("%s: received %q, want %q", test.probe.Sentence, got, test.want)
		}
	}
}

// The contents of an answer must not be in a report.
func TestContentsOfAnAnswerAreDropped(t *testing.T) {
	h := newCredentials(t)
	https, rpc := web(t, h.tlsConfig(t)), rpcPort(t, h.tlsConfig(t))
	for at, p := range map[string]probe.Probe{
		https: fetch(h),
		rpc:   probe.RPC("Keyring.Get", probe.As(h.server)),
	} {
		o := p.Observe(t.Context(), target(at))
		if o.Outcome != probe.Accepted {
			t.Errorf("%s: outcome %q, so there was nothing to drop", p.Sentence, o.Outcome)
		}
		if text := fmt.Sprintf("%+v", o); strings.Contains(text, secret) {
			t.Errorf("%s: the answer's contents are in %s", p.Sentence, text)
		}
	}
}

func TestCallerDoesNotTrustTheAgent(t *testing.T) {
	h, other := newCredentials(t), newCredentials(t)
	https := target(web(t, h.tlsConfig(t)))
	misnamed := https
	misnamed.ServerName = "client.global.nomad"
	tests := map[string]struct {
		at    probe.Target
		probe probe.Probe
		want  probe.Outcome
	}{
		"right":      {https, fetch(h), probe.Accepted},
		"wrong name": {misnamed, fetch(h), probe.NotReached},
		"wrong CA":   {https, fetch(other), probe.NotReached},
	}
	for name, test := range tests {
		if o := test.probe.Observe(t.Context(), test.at); o.Outcome != test.want {
			t.Errorf("%s: outcome %q, want %q: %s", name, o.Outcome, test.want, o.Err)
		}
	}
}

// A server without session tickets gives no early result: the probe must neither hang nor take a refusal for an acceptance.
func TestServerWithoutTickets(t *testing.T) {
	h := newCredentials(t)
	config := h.tlsConfig(t)
	config.SessionTicketsDisabled = true
	rpc := target(rpcPort(t, config))
	if o := call(h).Observe(t.Context(), rpc); o.Outcome != probe.Accepted {
		t.Errorf("with a certificate: %+v", o)
	}
	for range runs {
		o := probe.RPC("Status.Leader", probe.Anonymous(h.server)).Observe(t.Context(), rpc)
		if o.Outcome != probe.RefusedInHandshake || o.Took >= 3*time.Second {
			t.Fatalf("without a certificate: %+v", o)
		}
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	h := newCredentials(t)
	accepted := make(chan struct{}, 2)
	silent := target(listen(t, func(conn net.Conn) {
		accepted <- struct{}{}
		read(conn)
	}))
	for _, p := range []probe.Probe{call(h), probe.PlainRPC(probe.FramingNomad)} {
		p.Timeout = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-accepted
			cancel()
		}()
		o := p.Observe(ctx, silent)
		if o.Outcome != probe.NotReached || o.Took > deadline.Hang {
			t.Errorf("%s: %+v", p.Sentence, o)
		}
		cancel()
	}
}

func TestSentences(t *testing.T) {
	h := newCredentials(t)
	nobody := probe.Anonymous(h.server)
	for want, p := range map[string]probe.Probe{
		"GET /v1/jobs over HTTPS with a certificate for cli.global.nomad":              probe.HTTP("/v1/jobs", probe.As(h.cli)),
		"GET /v1/jobs over HTTPS with no certificate and at most TLS 1.2":              probe.HTTP("/v1/jobs", nobody.TLSAtMost(tls.VersionTLS12)),
		"GET /v1/jobs over plain HTTP":                                                 probe.PlainHTTP("/v1/jobs"),
		"call Node.List with an expired certificate":                                   probe.RPC("Node.List", probe.As(h.expired).WithLabel("an expired certificate")),
		"ask for a Raft pre-vote with no certificate":                                  probe.Raft(nobody),
		"ask for a Raft pre-vote in plaintext (0x02, Raft)":                            probe.PlainRPC(probe.FramingRaft),
		"call Status.Leader (0x03, multiplex) with a certificate for cli.global.nomad": probe.RPCOver(probe.FramingMultiplex, probe.As(h.cli)),
	} {
		if p.Sentence != want {
			t.Errorf("sentence %q, want %q", p.Sentence, want)
		}
	}
}

func TestRefusedCountsNoDeadPort(t *testing.T) {
	want := map[probe.Outcome]bool{
		probe.RefusedInHandshake: true, probe.RefusedAfterHandshake: true, probe.Denied: true,
		probe.Accepted: false, probe.Failed: false, probe.NotReached: false, "": false,
	}
	for o, refused := range want {
		if o.Refused() != refused {
			t.Errorf("%q.Refused() = %t", o, o.Refused())
		}
	}
}

func TestAddressOfAPlane(t *testing.T) {
	agent := probe.Target{Role: pki.Client, HTTP: "127.0.0.1:4646", RPC: "127.0.0.1:4647"}
	want := map[probe.Plane]string{
		probe.PlaneHTTP: agent.HTTP, probe.PlaneRPC: agent.RPC, probe.PlaneRaft: agent.RPC, probe.PlaneGossip: "",
		probe.PlaneCluster: agent.HTTP,
	}
	for plane, addr := range want {
		if got := agent.At(plane); got != addr {
			t.Errorf("address of %s is %q, want %q", plane, got, addr)
		}
	}
}
