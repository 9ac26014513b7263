package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Call is one RPC call.
type Call struct {
	// Method is for example "Status.Leader". Required.
	Method string
	// Region is the region that is asked. The target forwards a call for another region than its own. Zero: the target's own.
	Region string
	// Args are the arguments besides the region and the ACL token.
	Args map[string]any
	// AcceptedErrors are parts of errors that only a caller with the needed rights gets, for example "missing node ID": the
	// server accepted the caller, and then found the request invalid. An error that contains one is Accepted.
	AcceptedErrors []string

	// verified is the class that was found for the call; the zero class is Changes.
	verified Effect
}

// WithoutEffectOn returns the call as one that was verified, with these arguments, to change nothing on these versions of
// Nomad even if it is accepted.
func (c Call) WithoutEffectOn(versions ...string) Call {
	c.verified = WithoutEffectOn(versions...)
	return c
}

// In returns the call for a region.
func (c Call) In(region string) Call {
	c.Region = region
	return c
}

// Effect returns the class of the call: Reads for a method that is known to read, else what WithoutEffectOn set.
func (c Call) Effect() Effect {
	if slices.Contains(readMethods(), c.Method) {
		return Reads()
	}
	return c.verified
}

// String returns the method, and the region if one is set.
func (c Call) String() string {
	if c.Region != "" {
		return c.Method + " of region " + c.Region
	}
	return c.Method
}

// args returns all arguments of the call.
func (c Call) args(region, token string) map[string]any {
	args := map[string]any{"Region": cmp.Or(c.Region, region)}
	if token != "" {
		args["AuthToken"] = token
	}
	maps.Copy(args, c.Args)
	return args
}

// judge returns the outcome of an error's text, and describes it.
func (c Call) judge(text string) (Outcome, string) {
	words := "error: " + clean(text)
	switch {
	case containsAny(text, c.AcceptedErrors):
		return Accepted, words
	case isDenial(text):
		return Denied, words
	default:
		return Failed, words
	}
}

// The calls below have no effect even if they are accepted: they ask for nothing, or for something that does not exist. What
// they get then is in AcceptedErrors: Nomad returns it after it has checked the caller's rights, never before. All were verified
// against Nomad 1.11.3, on a leader and on a follower.

const (
	// noID is an ID that nothing has.
	noID = "00000000-0000-0000-0000-000000000000"
	// readVersion is the version of Nomad whose source was read for the classes of this package.
	readVersion = "1.11.3"
	// noScheduler is a type of scheduler that does not exist, so that no evaluation waits for it.
	noScheduler = "no-such-scheduler"
)

// StatusLeader asks the server itself for the leader's address. It needs no rights beyond the TLS handshake
// (nomad/status_endpoint.go:38). Without AllowStale a follower would ask the leader, and wait if there is none.
func StatusLeader() Call { return stale(leaderMethod) }

// RegisterNothing registers a client node without naming one. Only certificates of the region's clients and servers are
// accepted. The request is rejected directly after that check (nomad/node_endpoint.go:122), before client_introduction is
// looked at (nomad/node_endpoint.go:193): nothing is registered, with any settings of the cluster.
//
// The caller must have no ACL token: it would be taken for the token of a node, and be refused.
//
// A follower forwards the request to the leader before it looks at the caller's certificate (nomad/node_endpoint.go:102), and
// the leader sees the follower's certificate: only a leader judges the caller's.
func RegisterNothing() Call {
	return Call{Method: "Node.Register", AcceptedErrors: []string{"missing node for client registration"}}.WithoutEffectOn(readVersion)
}

// DequeueNothing asks for an evaluation to work on. Only servers of the region are accepted (nomad/eval_endpoint.go:123). It
// names a type of scheduler that does not exist, and waits for a millisecond: no evaluation is taken. The version is that of
// Nomad's schedulers (scheduler/scheduler.go:18); a leader with another one refuses after the same check.
func DequeueNothing() Call {
	return Call{Method: "Eval.Dequeue", AcceptedErrors: []string{"dequeue disallowed"}, Args: map[string]any{
		"Schedulers": []string{noScheduler}, "SchedulerVersion": 1, "Timeout": time.Millisecond,
	}}.WithoutEffectOn(readVersion)
}

// GetNoKey asks the server itself for a root key that does not exist, so that no key is sent. Only servers of the region are
// accepted (nomad/keyring_endpoint.go:267).
func GetNoKey() Call {
	c := stale("Keyring.Get")
	c.Args["KeyID"] = noID
	return c
}

// Bootstrap creates the cluster's first management token, and drops it: the cluster's owner loses the cluster. It is for
// throw-away clusters. It is Denied if a first token exists (nomad/acl_endpoint.go:478), and needs no rights beyond the TLS
// handshake.
func Bootstrap() Call { return Call{Method: "ACL.Bootstrap"} }

// stale returns a call that the server itself answers, instead of its leader.
func stale(method string) Call {
	return Call{Method: method, Args: map[string]any{"AllowStale": true}}
}

// RPC returns a probe that calls the method, such as Status.Leader, over TLS as the caller, or as Caller.OrPlaintext says,
// for the target's region. The target itself answers a method that reads, whether or not it leads.
func RPC(method string, as Caller) Probe { return RPCCall(stale(method), as) }

// RPCCall returns a probe that sends the call. Nomad checks a caller's role before the arguments. An accepted caller without
// the arguments that the method needs gets an error, which is Failed unless it is one of Call.AcceptedErrors.
func RPCCall(c Call, as Caller) Probe {
	p := RPCCallOver(FramingNomad, c, as)
	p.Sentence = fmt.Sprintf("call %s with %s", c, as)
	return p
}

// RPCCallOver is RPCCall in one of the framings that carry calls: FramingNomad, FramingMultiplex or FramingMultiplexV2.
func RPCCallOver(f Framing, c Call, as Caller) Probe {
	c.Args = maps.Clone(c.Args)
	return exchangeProbe(PlaneRPC, fmt.Sprintf("call %s (%s) with %s", c, f, as), func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := f.call(c, t.Region, as.token)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		return callEndpoint(t, e, as)
	}).WithEffect(c.Effect()).withToken(as)
}

// RPCOver returns a probe that sends the framing's harmless request over TLS as the caller: Status.Leader, a Raft pre-vote,
// or a streaming header.
func RPCOver(f Framing, as Caller) Probe {
	sentence := fmt.Sprintf("%s (%s) with %s", f.request(), f, as)
	return exchangeProbe(f.plane(), sentence, func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := f.exchange(t.Region)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		return tlsEndpoint(t, e, as)
	}).WithEffect(f.effect())
}

// Raft returns a probe that asks for a pre-vote over TLS as the caller. It is harmless: a pre-vote changes no term and no
// vote, and a caller that is not in the configuration is not granted one. Any answer is Accepted, as the plane was reached.
// The connection of a refused caller ends (CVE-2021-37218).
func Raft(as Caller) Probe {
	p := RPCOver(FramingRaft, as)
	p.Sentence = fmt.Sprintf("%s with %s", FramingRaft.request(), as)
	return p
}

// PlainRPC returns a probe that sends the framing's harmless request to the RPC port in plaintext. An agent with tls.rpc
// closes such a connection after its first byte, unless rpc_upgrade_mode is on (nomad/rpc.go, handleConn).
func PlainRPC(f Framing) Probe {
	sentence := fmt.Sprintf("%s in plaintext (%s)", f.request(), f)
	return exchangeProbe(f.plane(), sentence, func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := f.exchange(t.Region)
		return endpoint{addr: t.RPC, from: t.From}, e, err
	}).WithEffect(f.effect())
}

// RPCStream returns a probe that asks for the stream of that call over TLS as the caller. The first part of the stream
// decides: contents are Accepted and dropped unread, an error is judged like that of a call. Nomad acknowledges a stream that
// it knows to every caller that has passed the TLS handshake, and checks the caller's rights only then.
func RPCStream(c Call, as Caller) Probe {
	c.Args = maps.Clone(c.Args)
	sentence := fmt.Sprintf("ask for a stream of %s with %s", c.Method, as)
	return exchangeProbe(PlaneRPC, sentence, func(_ context.Context, t Target) (endpoint, exchange, error) {
		e, err := c.stream(t.Region, as.token)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		return tlsEndpoint(t, e, as)
	}).WithEffect(c.Effect()).withToken(as)
}

// RPCHandshake returns a probe that does only the RPC port's TLS handshake as the caller. Accepted says that the caller may
// go on and send a request.
func RPCHandshake(as Caller) Probe {
	sentence := fmt.Sprintf("do the RPC port's TLS handshake with %s", as)
	return exchangeProbe(PlaneRPC, sentence, func(_ context.Context, t Target) (endpoint, exchange, error) {
		return tlsEndpoint(t, exchange{
			sent:   "nothing",
			answer: func(io.Reader) (Outcome, string, error) { return Accepted, "the handshake was accepted", nil },
		}, as)
	}).WithEffect(Reads())
}

// tlsEndpoint returns the RPC port's endpoint for the caller, and the exchange as it is described there.
func tlsEndpoint(t Target, e exchange, as Caller) (endpoint, exchange, error) {
	if why := t.withholds(as); why != "" {
		return endpoint{}, exchange{}, errors.New(why)
	}
	config, err := as.tlsConfig(t)
	if err != nil {
		return endpoint{}, exchange{}, err
	}
	e.sent = fmt.Sprintf("%#02x, TLS handshake, %s", tlsByte, e.sent)
	return endpoint{addr: t.RPC, from: t.From, prelude: []byte{tlsByte}, config: config}, e, nil
}

// callEndpoint returns tlsEndpoint, or the plaintext endpoint if caller and target both allow it. No token is sent there.
func callEndpoint(t Target, e exchange, as Caller) (endpoint, exchange, error) {
	if !t.RPCPlaintext || !as.orPlaintext || as.token != "" {
		return tlsEndpoint(t, e, as)
	}
	return endpoint{addr: t.RPC, from: t.From}, e, nil
}
