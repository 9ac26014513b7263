package probe_test

import (
	"net"
	"net/rpc"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-msgpack/v2/codec"

	"nomadlab.internal/lab/probe"
)

// recordCall serves one call, answers with the error, and sends the arguments to the channel.
func recordCall(t *testing.T, h credentials, problem string) (probe.Target, <-chan map[string]any) {
	t.Helper()
	requests := make(chan map[string]any, 1)
	handle := &codec.MsgpackHandle{}
	handle.RawToString = true
	at := listen(t, behindTLS(h.tlsConfig(t), func(conn net.Conn) {
		decoder, encoder := codec.NewDecoder(conn, handle), codec.NewEncoder(conn, handle)
		var header rpc.Request
		args := map[string]any{}
		if firstByte(conn) != 0x01 || decoder.Decode(&header) != nil || decoder.Decode(&args) != nil {
			return
		}
		args["method"] = header.ServiceMethod
		requests <- args
		_ = encoder.Encode(rpc.Response{ServiceMethod: header.ServiceMethod, Seq: header.Seq, Error: problem})
		_ = encoder.Encode("")
	}))
	return target(at), requests
}

// The arguments of a call are why it has no effect: none may be added by mistake.
func TestArgumentsOfCalls(t *testing.T) {
	h := newCredentials(t)
	at, requests := recordCall(t, h, "")
	for _, test := range []struct {
		call probe.Call
		want map[string]any
	}{
		{probe.StatusLeader(), map[string]any{"method": "Status.Leader", "AllowStale": true}},
		{probe.RegisterNothing(), map[string]any{"method": "Node.Register"}},
		{probe.DequeueNothing(), map[string]any{
			"method": "Eval.Dequeue", "Schedulers": []any{"no-such-scheduler"}, "SchedulerVersion": int64(1), "Timeout": int64(1e6),
		}},
		{probe.GetNoKey(), map[string]any{"method": "Keyring.Get", "AllowStale": true, "KeyID": "00000000-0000-0000-0000-000000000000"}},
		{probe.Bootstrap(), map[string]any{"method": "ACL.Bootstrap"}},
	} {
		for _, token := range []string{"", secret} {
			as := probe.As(h.server)
			test.want["Region"] = "global"
			if token != "" {
				as = as.WithToken(token, "a token")
				test.want["AuthToken"] = token
			}
			if o := probe.RPCCall(test.call, as).Observe(t.Context(), at); o.Outcome != probe.Accepted {
				t.Errorf("%s: %+v", test.call.Method, o)
				continue
			}
			if diff := cmp.Diff(test.want, <-requests); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.call.Method, diff)
			}
		}
	}
}

// The texts are those of Nomad 1.11.3; a follower puts "rpc error: " before its leader's text.
func TestErrorsOfCalls(t *testing.T) {
	h := newCredentials(t)
	for text, test := range map[string]struct {
		call probe.Call
		want probe.Outcome
	}{
		"missing node for client registration":                                    {probe.RegisterNothing(), probe.Accepted},
		"rpc error: missing node for client registration":                         {probe.RegisterNothing(), probe.Accepted},
		"rpc error: Permission denied":                                            {probe.RegisterNothing(), probe.Denied},
		"dequeue disallowed: calling scheduler version is 1; leader version is 2": {probe.DequeueNothing(), probe.Accepted},
		"Permission denied":                                                       {probe.DequeueNothing(), probe.Denied},
		"No cluster leader":                                                       {probe.GetNoKey(), probe.Failed},
		"rpc error: RPC Error:: 400,ACL bootstrap already done (reset index: 12)": {probe.Bootstrap(), probe.Denied},
		"RPC Error:: 400,ACL support disabled":                                    {probe.Bootstrap(), probe.Failed},
	} {
		at, _ := recordCall(t, h, text)
		if o := probe.RPCCall(test.call, probe.As(h.server)).Observe(t.Context(), at); o.Outcome != test.want {
			t.Errorf("%s, %q: outcome %q, want %q", test.call.Method, text, o.Outcome, test.want)
		}
	}
}

// stream acknowledges a stream of one method, and accepts the caller with the token.
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
	return probe.Call{Method: "Agent.Monitor", Args: map[string]any{"LogLevel": "x"}, AcceptedErrors: []string{"Unknown log level"}}
}

func TestStreams(t *testing.T) {
	h := newCredentials(t)
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
	h := newCredentials(t)
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
