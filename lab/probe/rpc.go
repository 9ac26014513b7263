package probe

import (
	"context"
	"fmt"
	"maps"
)

// RPC is a probe that calls the method, such as Status.Leader, over TLS as the
// caller, with the target's region as its only argument.
func RPC(method string, as Caller) Probe {
	return RPCWith(method, nil, as)
}

// RPCWith is RPC with arguments beside the region. Nomad checks a caller's role
// before its arguments, but an accepted caller without the arguments that the
// method needs gets an error, which is Failed and not Accepted.
func RPCWith(method string, args map[string]any, as Caller) Probe {
	given := maps.Clone(args)
	sentence := fmt.Sprintf("call %s with %s", method, as)
	return New(PlaneRPC, sentence, func(ctx context.Context, t Target) Observation {
		all := map[string]any{"Region": t.Region}
		maps.Copy(all, given)
		e, err := FramingNomad.call(method, all)
		if err != nil {
			return notReached(err.Error())
		}
		return overTLS(ctx, t, e, as)
	})
}

// RPCOver is a probe that makes the framing's harmless request over TLS as the
// caller: Status.Leader, a Raft pre-vote, or a streaming header.
func RPCOver(f Framing, as Caller) Probe {
	sentence := fmt.Sprintf("%s (%s) with %s", f.request(), f, as)
	return New(f.plane(), sentence, func(ctx context.Context, t Target) Observation {
		e, err := f.exchange(t.Region)
		if err != nil {
			return notReached(err.Error())
		}
		return overTLS(ctx, t, e, as)
	})
}

// PlainRPC is a probe that makes the framing's harmless request to the RPC port
// in plaintext. An agent with tls.rpc closes such a connection after its first
// byte, unless rpc_upgrade_mode is on (nomad/rpc.go, handleConn).
func PlainRPC(first Framing) Probe {
	sentence := fmt.Sprintf("%s in plaintext (%s)", first.request(), first)
	return New(first.plane(), sentence, func(ctx context.Context, t Target) Observation {
		e, err := first.exchange(t.Region)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, door{addr: t.RPC, from: t.From}, e)
	})
}

// overTLS makes the exchange behind the RPC port's TLS handshake.
func overTLS(ctx context.Context, t Target, e exchange, as Caller) Observation {
	config, err := as.tlsConfig(t.ServerName)
	if err != nil {
		return notReached(err.Error())
	}
	e.sent = fmt.Sprintf("%#02x, TLS handshake, %s", tlsByte, e.sent)
	return converse(ctx, door{addr: t.RPC, from: t.From, prelude: []byte{tlsByte}, config: config}, e)
}
