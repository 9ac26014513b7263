package probe_test

import (
	"net"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"nomadlab.internal/lab/probe"
)

// stream acknowledges a stream of one method, and lets the caller in who brings the token.
func stream(conn net.Conn) {
	decoder, encoder := codec.NewDecoder(conn, &codec.MsgpackHandle{}), codec.NewEncoder(conn, &codec.MsgpackHandle{})
	var header struct{ Method string }
	if firstByte(conn) != 0x05 || decoder.Decode(&header) != nil {
		return
	}
	if header.Method != "Agent.Monitor" {
		_ = encoder.Encode(map[string]string{"Error": "Unknown rpc method: " + header.Method})
		return
	}
	_ = encoder.Encode(map[string]string{"Error": ""})
	var args struct{ Region, AuthToken, LogLevel string }
	if decoder.Decode(&args) != nil || args.Region != "global" {
		return
	}
	failed := func(text string) {
		_ = encoder.Encode(map[string]any{"Error": map[string]any{"Message": text, "Code": 400}, "Payload": nil})
	}
	switch {
	case args.AuthToken != secret:
		failed("Permission denied")
	case args.LogLevel == "":
		_ = encoder.Encode(map[string]any{"Error": nil, "Payload": []byte(secret)})
	default:
		failed("Unknown log level")
	}
}

// monitorNothing asks for the log from a level that does not exist: the agent says so behind the check for agent:read, and
// begins no stream (nomad/client_agent_endpoint.go:164).
func monitorNothing() probe.Call {
	return probe.Call{Method: "Agent.Monitor", Args: map[string]any{"LogLevel": "x"}, Behind: []string{"Unknown log level"}}
}

func TestStreams(t *testing.T) {
	h := newHouse(t)
	at := target(listen(t, behindTLS(h.tlsConfig(t), stream)))
	me := probe.As(h.cli)
	rightful := me.WithToken(secret, "a token")
	for _, test := range []struct {
		probe probe.Probe
		want  probe.Outcome
		words string
	}{
		{probe.RPCStream(monitorNothing(), me), probe.Denied, "error: Permission denied"},
		{probe.RPCStream(monitorNothing(), rightful), probe.Accepted, "error: Unknown log level"},
		{probe.RPCStream(probe.Call{Method: "Agent.Monitor", Args: map[string]any{"LogLevel": "x"}}, rightful), probe.Failed, "error: Unknown log level"},
		{probe.RPCStream(probe.Call{Method: "Agent.Monitor"}, rightful), probe.Accepted, "a part of the stream, dropped unread"},
		{probe.RPCStream(probe.StatusLeader(), rightful), probe.Failed, "error: Unknown rpc method: Status.Leader"},
		{probe.RPCStream(monitorNothing(), probe.Anonymous(h.server)), probe.RefusedInHandshake, "TLS alert: certificate required"},
	} {
		o := test.probe.Observe(t.Context(), at)
		if o.Outcome != test.want || o.Received != test.words {
			t.Errorf("%s: %q, %q; want %q, %q: %s", test.probe.Sentence, o.Outcome, o.Received, test.want, test.words, o.Err)
		}
	}
}

func TestCallsInEachFraming(t *testing.T) {
	h := newHouse(t)
	at := target(rpcPort(t, h.tlsConfig(t)))
	me := probe.As(h.server)
	for _, f := range []probe.Framing{probe.FramingNomad, probe.FramingMultiplex, probe.FramingMultiplexV2} {
		for method, want := range map[string]probe.Outcome{"Status.Leader": probe.Accepted, "Eval.Dequeue": probe.Denied, "Eval.Ack": probe.Failed} {
			if o := probe.RPCCallOver(f, probe.Call{Method: method}, me).Observe(t.Context(), at); o.Outcome != want {
				t.Errorf("%s over %s: outcome %q, want %q: %s", method, f, o.Outcome, want, o.Err)
			}
		}
	}
	if o := probe.RPCCallOver(probe.FramingRaft, probe.StatusLeader(), me).Observe(t.Context(), at); o.Outcome != probe.NotReached {
		t.Errorf("over Raft: %+v", o)
	}
}
