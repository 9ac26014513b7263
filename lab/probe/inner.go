package probe

import (
	"context"
	"fmt"
	"io"
)

// RPCInner is a probe that does the TLS handshake with the RPC port as the caller and then sends that byte, where one of the
// framings is due: 0x04, and a ClientHello, to have TLS within TLS; another byte, and a call of Status.Leader. Any answer is
// Accepted. Nomad ends the connection after 0x04 (nomad/rpc.go:345) and after a byte that it does not know (nomad/rpc.go:410):
// RefusedAfterHandshake.
func RPCInner(b byte, as Caller) Probe {
	what := fmt.Sprintf("%#02x inside TLS", b)
	if b == tlsByte {
		what += " and another handshake"
	}
	return New(PlaneRPC, fmt.Sprintf("send %s with %s", what, as), func(ctx context.Context, t Target) Observation {
		follows, err := StatusLeader().encode(t.Region, as.token)
		if b == tlsByte {
			follows, err = clientHello(ctx, t.ServerName)
		}
		if err != nil {
			return notReached(err.Error())
		}
		return overTLS(ctx, t, exchange{
			sent:    fmt.Sprintf("%#02x", b),
			request: append([]byte{b}, follows...),
			answer: func(r io.Reader) (Outcome, string, error) {
				_, err := io.ReadFull(r, make([]byte, 1))
				return Accepted, "an answer, dropped unread", err
			},
		}, as)
	}).Classed(WithoutEffectOn(readVersion)).bearing(as)
}
