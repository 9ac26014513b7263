package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/internal/deadline"
)

// The probes below hold a connection without getting on with it, and say whether the agent keeps it for as long as they
// wait: RefusedInHandshake or RefusedAfterHandshake when the agent ends it, Accepted when it is still open after the wait.
// Nomad ends them after 5 s: limits.https_handshake_timeout and limits.rpc_handshake_timeout (nomad/structs/config/limits.go:50).
// The first is a deadline from the connection's start to the end of its first request's head (command/agent/http.go:253),
// the second begins anew with the byte 0x04 and ends with the TLS handshake (nomad/rpc.go:283,364).

// HTTPSilent is a probe that connects to the HTTP port and says nothing for as long as the wait.
func HTTPSilent(wait time.Duration) Probe {
	return silent(PlaneHTTP, "connect to the HTTP port and say nothing", wait, noCaller(halfNothing))
}

// HTTPHalfHello is a probe that sends half of a TLS ClientHello to the HTTP port, and waits.
func HTTPHalfHello(wait time.Duration) Probe {
	return silent(PlaneHTTP, "send half a ClientHello to the HTTP port", wait, noCaller(halfHello))
}

// HTTPSilentAfterTLS is a probe that does the TLS handshake with the HTTP port as the caller, and then says nothing.
func HTTPSilentAfterTLS(as Caller, wait time.Duration) Probe {
	does := fmt.Sprintf("do the TLS handshake with the HTTP port with %s and say nothing", as)
	return silent(PlaneHTTP, does, wait, securely(as, ""))
}

// HTTPSlowHeaders is a probe that begins a request over HTTPS as the caller, and never ends its header.
func HTTPSlowHeaders(as Caller, wait time.Duration) Probe {
	does := fmt.Sprintf("send half a request's header over HTTPS with %s", as)
	return silent(PlaneHTTP, does, wait, securely(as, "GET "+HealthPath+" HTTP/1.1\r\nHost: agent\r\nX-Unfinished: "))
}

// RPCSilent is a probe that connects to the RPC port and says nothing for as long as the wait.
func RPCSilent(wait time.Duration) Probe {
	return silent(PlaneRPC, "connect to the RPC port and say nothing", wait, noCaller(halfNothing))
}

// RPCSilentAfterTLSByte is a probe that sends 0x04, which announces TLS, to the RPC port, and waits.
func RPCSilentAfterTLSByte(wait time.Duration) Probe {
	return silent(PlaneRPC, "send 0x04 to the RPC port and begin no handshake", wait, noCaller(halfNothing, tlsByte))
}

// RPCHalfHello is a probe that sends 0x04 and half of a TLS ClientHello to the RPC port, and waits.
func RPCHalfHello(wait time.Duration) Probe {
	return silent(PlaneRPC, "send 0x04 and half a ClientHello to the RPC port", wait, noCaller(halfHello, tlsByte))
}

// HTTPIdleAfterRequest is a probe that makes a request over HTTPS as the caller, is silent for as long as the wait, and makes
// another one over the same connection: Accepted when that is answered. It is the control of those above.
func HTTPIdleAfterRequest(as Caller, wait time.Duration) Probe {
	p := New(PlaneHTTP, fmt.Sprintf("be silent for %s between two requests over HTTPS with %s", wait, as),
		func(ctx context.Context, t Target) Observation {
			held, o := HoldHTTP(ctx, t, as)
			if held == nil {
				return o
			}
			defer held.Close()
			if o = held.Ask(ctx, Ask{Path: leaderPath}); o.Outcome != Accepted {
				return o
			}
			if err := held.idle(ctx, wait); err != nil {
				o.end(err, held.session)
				return o
			}
			return held.Ask(ctx, Ask{Path: leaderPath})
		}).Classed(Reads()).bearing(as)
	p.Timeout, p.Waits = wait+DefaultTimeout, wait
	return p
}

// RPCIdleAfterTLS is a probe that does the TLS handshake with the RPC port as the caller, is silent for as long as the wait,
// and then calls Status.Leader: Accepted when that is answered. Who has a certificate has all the time there is.
func RPCIdleAfterTLS(as Caller, wait time.Duration) Probe {
	p := New(PlaneRPC, fmt.Sprintf("be silent for %s after the TLS handshake, then call %s with %s", wait, leaderMethod, as),
		func(ctx context.Context, t Target) Observation {
			e, err := FramingNomad.call(StatusLeader(), t.Region, as.token)
			if err != nil {
				return notReached(err.Error())
			}
			d, e, err := behindTLS(t, e, as)
			if err != nil {
				return notReached(err.Error())
			}
			return visit(ctx, d, e.sent, func(s *session) (Outcome, string, error) {
				if err := s.outlast(ctx, wait); err != nil {
					return "", "", err
				}
				return ask(s, e)
			})
		}).Classed(Reads()).bearing(as)
	p.Timeout, p.Waits = wait+DefaultTimeout, wait
	return p
}

// opening is how a connection is opened, and what is said on it before the silence.
type opening func(context.Context, Target, Plane) (d endpoint, said []byte, err error)

// errLate is that a connection ended when it should have ended before. It is of no class that classify knows, and so leaves
// the agent NotReached.
var errLate = errors.New("the connection ended late")

// errHangs is that a connection was kept by an agent that does nothing at all. It is of no class that classify knows either.
var errHangs = errors.New("the connection was kept")

// lag is how much later than its limit a quiet machine has an agent end a connection, at most.
const lag = 2 * time.Second

// silent is a probe that opens a connection so and waits for its end. On a busy machine it waits for a longer lag, as
// deadline.Stretch has it, before it says that the agent keeps the connection: a limit that is late there is no lack of one. It does not say
// that the agent keeps to its limit either, and is worth a Retry.
func silent(plane Plane, does string, wait time.Duration, opens opening) Probe {
	p := New(plane, fmt.Sprintf("%s for %s", does, wait), func(ctx context.Context, t Target) Observation {
		d, said, err := opens(ctx, t, plane)
		if err != nil {
			return notReached(err.Error())
		}
		retry := false
		o := visit(ctx, d, does, func(s *session) (Outcome, string, error) {
			start := time.Now()
			if _, err := s.Write(said); err != nil {
				return "", "", err
			}
			late, err := s.ends(ctx, wait, func() time.Duration { return deadline.Stretch(lag) - lag })
			kept := fmt.Sprintf("%.1f s", time.Since(start).Seconds())
			switch {
			case late && (isEnd(err) || isAlert(err)):
				retry = true
				return "", "", fmt.Errorf("%w after %s: whether the agent was late or this busy machine is not known", errLate, kept)
			case err == nil:
				if why := t.Silent.doubt(ctx, t, plane); why != "" {
					return "", "", fmt.Errorf("%w for %s: %s", errHangs, kept, why)
				}
				return Accepted, "the agent kept the connection for " + kept, nil
			case isEnd(err) || isAlert(err):
				return classify(err, s), received(err) + " after " + kept, nil
			default:
				return "", "", err
			}
		})
		o.Retry = retry
		return o
	}).Classed(Reads())
	p.Timeout, p.Waits = wait+4*DefaultTimeout, wait // it ends by itself, after what the load of another moment makes of the lag
	return p
}

// ends reads until the connection ends or the wait is over, and then for as much more as there is; late says that the latter
// was needed. The error is nil where the connection is still open.
func (s *session) ends(ctx context.Context, wait time.Duration, more func() time.Duration) (late bool, err error) {
	start := time.Now()
	if err := s.outlast(ctx, wait); err != nil {
		return time.Since(start) > wait, err
	}
	return true, s.outlast(ctx, more())
}

// noCaller opens with these bytes and what the flight gives, without TLS of its own.
func noCaller(flight func(context.Context, Target) ([]byte, error), first ...byte) opening {
	return func(ctx context.Context, t Target, plane Plane) (endpoint, []byte, error) {
		more, err := flight(ctx, t)
		return endpoint{addr: t.At(plane), from: t.From}, append(slices.Clip(first), more...), err
	}
}

// halfNothing is nothing.
func halfNothing(context.Context, Target) ([]byte, error) { return nil, nil }

// halfHello is the first half of a ClientHello.
func halfHello(ctx context.Context, t Target) ([]byte, error) {
	hello, err := clientHello(ctx, t.ServerName)
	return hello[:len(hello)/2], err
}

// securely opens with a TLS handshake as the caller, and says that inside.
func securely(as Caller, said string) opening {
	return func(_ context.Context, t Target, plane Plane) (endpoint, []byte, error) {
		config, err := as.tlsConfig(t)
		return endpoint{addr: t.At(plane), from: t.From, config: config}, []byte(said), err
	}
}
