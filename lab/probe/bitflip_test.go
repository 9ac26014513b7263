package probe_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"nomadlab.internal/lab/probe"
)

func TestThrough(t *testing.T) {
	h := newCredentials(t)
	config := h.tlsConfig(t)
	https, rpc, plain := web(t, config), rpcPort(t, config), web(t, nil)
	gossip := gossiper(t, true, ours).LocalNode().FullAddress().Addr
	request := probe.BitFlip{Turn: probe.RequestTurn}
	hello := probe.BitFlip{Turn: 1, FlipAfter: 6} // the type of the message, after 0x04 and the header
	server := probe.BitFlip{Direction: probe.ToCaller, Turn: 1, FlipAfter: 400}
	old := func(p func(probe.Caller) probe.Probe) probe.Probe {
		return p(probe.As(h.server).TLSAtMost(tls.VersionTLS12))
	}
	get := func(as probe.Caller) probe.Probe { return probe.HTTP("/ok", as) }
	ping := probe.GossipPing(probe.NewGossipKey(ours, "our gossip key"))
	const after, in = probe.RefusedAfterHandshake, probe.RefusedInHandshake
	for _, test := range []struct {
		name    string
		at      string
		probe   probe.Probe
		bitFlip probe.BitFlip
		want    probe.Outcome
	}{
		{"HTTPS, request", https, fetch(h), request, after},
		{"HTTPS, request, TLS 1.2", https, old(get), request, after},
		{"RPC, request", rpc, call(h), request, after},
		{"Raft, request", rpc, sendRequest(h), request, after},
		{"Raft, request, TLS 1.2", rpc, old(probe.Raft), request, after},
		{"HTTPS, end of the handshake", https, fetch(h), probe.BitFlip{Turn: 2, FlipAfter: 20}, in},
		{"RPC, hello", rpc, call(h), hello, in},
		{"HTTPS, the agent's handshake", https, fetch(h), server, probe.NotReached},
		{"HTTPS, a turn that does not come", https, fetch(h), probe.BitFlip{Turn: 9}, probe.Failed},
		{"HTTP in clear, the version", plain, probe.PlainHTTP("/ok"), probe.BitFlip{Turn: 1, FlipAfter: 4}, probe.Denied},
		{"HTTP in clear, a header that nobody looks at", plain, probe.PlainHTTP("/ok"), probe.BitFlip{Turn: 1, FlipAfter: 60}, probe.Accepted},
		{"gossip, ping", gossip, ping, probe.BitFlip{Turn: 1}, probe.Denied},
		{"dead agent", closedPort(t), fetch(h), request, probe.NotReached},
		{"silent agent", listen(t, read), shortly(fetch(h)), request, probe.NotReached},
		{"no address", "", fetch(h), request, probe.NotReached},
		{"empty probe", https, probe.Probe{}, request, probe.NotReached},
		{"no certificate, nothing changed", rpc, probe.RPC("Status.Leader", probe.Anonymous(h.server)), probe.BitFlip{}, in},
		{"reset, nothing changed", listen(t, resetAfterRead), fetch(h), probe.BitFlip{}, in},
		{"HTTPS, nothing changed", https, fetch(h), probe.BitFlip{}, probe.Accepted},
		{"RPC, nothing changed", rpc, call(h), probe.BitFlip{}, probe.Accepted},
		{"gossip, nothing changed", gossip, ping, probe.BitFlip{}, probe.Accepted},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at := target(test.at)
			at.Gossip = test.at
			for i := range runs {
				o := probe.Through(test.probe, test.bitFlip).Observe(t.Context(), at)
				if o.Outcome != test.want {
					t.Fatalf("run %d: outcome %q, want %q: %+v", i, o.Outcome, test.want, o)
				}
			}
		})
	}
}

func TestSentencesOfThrough(t *testing.T) {
	p := probe.PlainHTTP("/ok")
	for want, m := range map[string]probe.BitFlip{
		"through a proxy that changes nothing":                     {},
		"through a proxy that flips a bit of the request":          {Turn: probe.RequestTurn},
		"through a proxy that flips a bit of turn 2 of the answer": {Turn: 2, Direction: probe.ToCaller},
	} {
		if got := probe.Through(p, m).Sentence; !strings.HasPrefix(got, p.Sentence) || !strings.HasSuffix(got, want) {
			t.Errorf("sentence is %q, want it to end with %q", got, want)
		}
	}
}
