package probe_test

import (
	"net"
	"net/rpc"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-msgpack/v2/codec"

	"nomadlab.internal/lab/probe"
)

// overheard is a server of one call, which it answers with the error, and whose arguments it tells.
func overheard(t *testing.T, h house, problem string) (probe.Target, <-chan map[string]any) {
	t.Helper()
	heard := make(chan map[string]any, 1)
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
		heard <- args
		_ = encoder.Encode(rpc.Response{ServiceMethod: header.ServiceMethod, Seq: header.Seq, Error: problem})
		_ = encoder.Encode("")
	}))
	return target(at), heard
}

// What a call says is why it has no effect: nothing may be added to it by mistake.
func TestWhatCallsSay(t *testing.T) {
	h := newHouse(t)
	at, heard := overheard(t, h, "")
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
			if diff := cmp.Diff(test.want, <-heard); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.call.Method, diff)
			}
		}
	}
}

// The texts are those of Nomad 1.11.3; a follower puts "rpc error: " before what its leader says.
func TestErrorsOfCalls(t *testing.T) {
	h := newHouse(t)
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
		at, _ := overheard(t, h, text)
		if o := probe.RPCCall(test.call, probe.As(h.server)).Observe(t.Context(), at); o.Outcome != test.want {
			t.Errorf("%s, %q: outcome %q, want %q", test.call.Method, text, o.Outcome, test.want)
		}
	}
}
