package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Call is one RPC call.
type Call struct {
	// Method is for example "Status.Leader". Required.
	Method string
	// Region is the region that is asked. Another than the target's own the target passes the call on to. Zero: the target's own.
	Region string
	// Args are the arguments beside the region and the ACL token.
	Args map[string]any
	// Behind are texts of which an error contains one when it could only be given behind the guards, for example
	// "missing node ID": the caller was let in, and what it asked for made no sense.
	Behind []string

	// verified is the class that was found for the call; the zero class is Changes.
	verified Effect
}

// WithoutEffectOn returns the call as one of which it was verified, with these very arguments, that it changes nothing on
// these versions of Nomad, even where it is let in.
func (c Call) WithoutEffectOn(versions ...string) Call {
	c.verified = WithoutEffectOn(versions...)
	return c
}

// In returns the call as one for a region.
func (c Call) In(region string) Call {
	c.Region = region
	return c
}

// Effect is the class of the call. Of a method that is not known to read, nothing is known but what WithoutEffectOn says.
func (c Call) Effect() Effect {
	if slices.Contains(readMethods(), c.Method) {
		return Reads()
	}
	return c.verified
}

// RPC is a probe that calls the method, such as Status.Leader, over TLS as the
// caller, or as Caller.OrInClear has it, with the target's region. A method that reads is answered by the target itself, whoever leads.
func RPC(method string, as Caller) Probe { return RPCCall(stale(method), as) }

// RPCCall is RPC with all that a call may have. Nomad checks a caller's role
// before its arguments, but an accepted caller without the arguments that the
// method needs gets an error, which is Failed unless it is among those that are given behind the guards alone.
func RPCCall(c Call, as Caller) Probe {
	p := RPCCallOver(FramingNomad, c, as)
	p.Sentence = fmt.Sprintf("call %s with %s", c.words(), as)
	return p
}

// words are the method, and the region where that is named.
func (c Call) words() string {
	if c.Region != "" {
		return c.Method + " of region " + c.Region
	}
	return c.Method
}

// RPCCallOver is RPCCall in one of the framings that carry calls: FramingNomad, FramingMultiplex or FramingMultiplexV2.
func RPCCallOver(f Framing, c Call, as Caller) Probe {
	c.Args = maps.Clone(c.Args)
	sentence := fmt.Sprintf("call %s (%s) with %s", c.words(), f, as)
	return New(PlaneRPC, sentence, func(ctx context.Context, t Target) Observation {
		e, err := f.call(c, t.Region, as.token)
		if err != nil {
			return notReached(err.Error())
		}
		d, e, err := calling(t, e, as)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, d, e)
	}).Classed(c.Effect()).bearing(as)
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
	}).Classed(f.effect())
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
		return converse(ctx, endpoint{addr: t.RPC, from: t.From}, e)
	}).Classed(first.effect())
}

// overTLS makes the exchange behind the RPC port's TLS handshake.
func overTLS(ctx context.Context, t Target, e exchange, as Caller) Observation {
	d, e, err := behindTLS(t, e, as)
	if err != nil {
		return notReached(err.Error())
	}
	return converse(ctx, d, e)
}

// behindTLS is the RPC port's door for the caller, and the exchange as it is made behind it.
func behindTLS(t Target, e exchange, as Caller) (endpoint, exchange, error) {
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

// calling is behindTLS, or for a caller who may call in the clear the port itself where it takes such calls. No token goes that way.
func calling(t Target, e exchange, as Caller) (endpoint, exchange, error) {
	if !t.RPCInClear || !as.orInClear || as.token != "" {
		return behindTLS(t, e, as)
	}
	return endpoint{addr: t.RPC, from: t.From}, e, nil
}

// RPCHandshake is a probe that does no more at the RPC port than the TLS handshake as the caller. Accepted says that the
// caller may go on to ask for something.
func RPCHandshake(as Caller) Probe {
	sentence := fmt.Sprintf("do the RPC port's TLS handshake with %s", as)
	return New(PlaneRPC, sentence, func(ctx context.Context, t Target) Observation {
		return overTLS(ctx, t, exchange{
			sent:   "nothing",
			answer: func(io.Reader) (Outcome, string, error) { return Accepted, "the handshake was accepted", nil },
		}, as)
	}).Classed(Reads())
}
