package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
)

// HTTPVersion is a probe that offers that one version of TLS to the HTTP port as the caller, for example tls.VersionTLS10:
// Found when the agent speaks it, Absent when it says that it does not.
//
// That no handshake comes about is no proof: with tls_min_version = "tls10" alone, Nomad agrees to TLS 1.0 and then finds no
// cipher suite, as all that it has by default are for TLS 1.2 and later (helper/tlsutil/config.go:74, verified against Nomad
// 1.11.3). What tells is the alert: "protocol version" or "handshake failure".
func HTTPVersion(version uint16, as Caller) Probe {
	return speaks(HTTP(leaderPath, as.TLSAtLeast(version).TLSAtMost(version)), version, as)
}

// RPCVersion is HTTPVersion for the RPC port.
func RPCVersion(version uint16, as Caller) Probe {
	return speaks(RPCCall(StatusLeader(), as.TLSAtLeast(version).TLSAtMost(version)), version, as)
}

const (
	// The alerts' numbers (RFC 8446, 6).
	alertHandshakeFailure = 40
	alertProtocolVersion  = 70
)

// speaks is the probe, which offers that version alone, and then a look at how the handshake went.
func speaks(p Probe, version uint16, as Caller) Probe {
	offering := p
	offering.Sentence = fmt.Sprintf("look for %s on the %s port with %s", tls.VersionName(version), p.Plane, as)
	offering.see = func(ctx context.Context, t Target) Observation {
		o := p.see(ctx, t)
		switch {
		case o.alerted(alertProtocolVersion):
			o.Outcome = Absent
		case o.TLSVersion == tls.VersionName(version), o.alerted(alertHandshakeFailure):
			o.Outcome = Found
		}
		return o
	}
	return offering
}

// alerted says whether the agent sent the alert of that number.
func (o Observation) alerted(number uint8) bool {
	return strings.HasPrefix(o.Err, "remote error: ") && strings.HasSuffix(o.Err, tls.AlertError(number).Error())
}
