package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/internal/deadline"
)

// The probes below open a connection, leave its handshake or request incomplete, and see whether the agent keeps it for as long
// as they wait: RefusedInHandshake or RefusedAfterHandshake if the agent ends it, Accepted if it is still open afterwards. Nomad
// ends it after 5 s: limits.https_handshake_timeout and limits.rpc_handshake_timeout (nomad/structs/config/limits.go:50). The
// first is a deadline from the connection's start to the end of its first request's header (command/agent/http.go:253). The
// second begins anew with the byte 0x04 and ends with the TLS handshake (nomad/rpc.go:283,364).

// HTTPSilent returns a probe that connects to the HTTP port and sends nothing.
func HTTPSilent(wait time.Duration) Probe {
	return idleProbe(PlaneHTTP, "connect to the HTTP port and say nothing", wait, afterBytes())
}

// HTTPHalfHello returns a probe that sends half of a TLS ClientHello to the HTTP port.
func HTTPHalfHello(wait time.Duration) Probe {
	return idleProbe(PlaneHTTP, "send half a ClientHello to the HTTP port", wait, afterHalfHello())
}

// HTTPSlowHeaders returns a probe that begins a request over HTTPS as the caller, and never ends its header.
func HTTPSlowHeaders(as Caller, wait time.Duration) Probe {
	does := fmt.Sprintf("send half a request's header over HTTPS with %s", as)
	return idleProbe(PlaneHTTP, does, wait, func(_ context.Context, t Target, plane Plane) (endpoint, []byte, error) {
		config, err := as.tlsConfig(t)
		request := "GET " + HealthPath + " HTTP/1.1\r\nHost: agent\r\nX-Unfinished: "
		return endpoint{addr: t.At(plane), from: t.From, config: config}, []byte(request), err
	})
}

// RPCSilent returns a probe that connects to the RPC port and sends nothing.
func RPCSilent(wait time.Duration) Probe {
	return idleProbe(PlaneRPC, "connect to the RPC port and say nothing", wait, afterBytes())
}

// RPCSilentAfterTLSByte returns a probe that sends 0x04, which announces TLS, to the RPC port.
func RPCSilentAfterTLSByte(wait time.Duration) Probe {
	return idleProbe(PlaneRPC, "send 0x04 to the RPC port and begin no handshake", wait, afterBytes(tlsByte))
}

// RPCHalfHello returns a probe that sends 0x04 and half of a TLS ClientHello to the RPC port.
func RPCHalfHello(wait time.Duration) Probe {
	return idleProbe(PlaneRPC, "send 0x04 and half a ClientHello to the RPC port", wait, afterHalfHello(tlsByte))
}

// opener returns how a connection is opened, and what is sent on it before the wait.
type opener func(context.Context, Target, Plane) (at endpoint, first []byte, err error)

// afterBytes opens with these bytes, without TLS.
func afterBytes(first ...byte) opener {
	return func(_ context.Context, t Target, plane Plane) (endpoint, []byte, error) {
		return endpoint{addr: t.At(plane), from: t.From}, first, nil
	}
}

// afterHalfHello opens with these bytes and the first half of a ClientHello.
func afterHalfHello(first ...byte) opener {
	return func(ctx context.Context, t Target, plane Plane) (endpoint, []byte, error) {
		hello, err := clientHello(ctx, t.ServerName)
		return endpoint{addr: t.At(plane), from: t.From}, append(slices.Clip(first), hello[:len(hello)/2]...), err
	}
}

// errLate says that a connection ended later than it should have, and errKept that an agent which answers nothing at all kept
// it. classify knows neither: the outcome is NotReached.
var (
	errLate = errors.New("the connection ended late")
	errKept = errors.New("the connection was kept")
)

// lag is by how much an agent on a machine that is not busy may exceed its timeout.
const lag = 2 * time.Second

// idleProbe returns a probe that opens a connection and waits for its end. On a busy machine it waits for a longer lag, see
// deadline.Stretch, before it observes Accepted: there a late end is no lack of a timeout. A late end does not show either that
// the agent keeps to its timeout, and is worth a Retry.
func idleProbe(plane Plane, does string, wait time.Duration, opens opener) Probe {
	p := New(plane, fmt.Sprintf("%s for %s", does, wait), func(ctx context.Context, t Target) Observation {
		at, first, err := opens(ctx, t, plane)
		if err != nil {
			return notReached(err.Error())
		}
		retry := false
		o := withSession(ctx, at, does, func(s *session) (Outcome, string, error) {
			start := time.Now()
			if _, err := s.Write(first); err != nil {
				return "", "", err
			}
			late, err := s.awaitEndOrLonger(ctx, wait, func() time.Duration { return deadline.Stretch(lag) - lag })
			kept := fmt.Sprintf("%.1f s", time.Since(start).Seconds())
			switch {
			case late && (isEnd(err) || isAlert(err)):
				retry = true
				return "", "", fmt.Errorf("%w after %s: whether the agent was late or this busy machine is not known", errLate, kept)
			case err == nil:
				if why := t.Silent.recheck(ctx, t, plane); why != "" {
					return "", "", fmt.Errorf("%w for %s: %s", errKept, kept, why)
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
	}).WithEffect(Reads())
	p.Timeout, p.AgentWait = wait+4*DefaultTimeout, wait // the probe ends by itself, after what the load of that moment makes of the lag
	return p
}

// awaitEndOrLonger reads until the connection ends or the wait is over, and then for as long as more returns. It returns late
// if the wait was over, and a nil error if the connection is still open.
func (s *session) awaitEndOrLonger(ctx context.Context, wait time.Duration, more func() time.Duration) (late bool, err error) {
	start := time.Now()
	if err := s.staysOpen(ctx, wait); err != nil {
		return time.Since(start) > wait, err
	}
	return true, s.staysOpen(ctx, more())
}
