package catalogue

import (
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

const (
	// silenceTimeout is how long an agent may keep a connection of a caller that has not identified itself. Nomad's
	// default is 5 s (command/agent/config.go, limits). On a busy machine a connection that is still open then is
	// watched for longer: see probe.HTTPSilent.
	silenceTimeout = 7 * time.Second
	// flood is how many connections one address opens at once. Nomad's default limit is 100
	// (command/agent/config.go). Meanwhile other callers from that address are refused, so only labs are flooded.
	flood = 130
)

// httpsLimits returns the checks of what one caller may use of the HTTP port. CVE-2020-7218 was the lack of these
// limits.
func (i Ingredients) httpsLimits() []posture.Spec {
	spoken := i.certificateCaller().sends(getHealth)
	closes := func(id, title string, p maybeProbe) posture.Spec {
		return withProbes(posture.Spec{
			ID: "https-closes-" + id, Title: "HTTP port closes a " + title, Kind: posture.Safe, Severity: posture.Medium, Lane: posture.Waiting,
			Why:      "limits.https_handshake_timeout: CVE-2020-7218, connections cost an agent file handles (command/agent/http.go:254)",
			Want:     posture.Want{probe.RefusedInHandshake, probe.RefusedAfterHandshake},
			Settings: []string{"limits.https_handshake_timeout", tlsHTTP},
		}, p, spoken)
	}
	return forBoth(func(pki.Role) []posture.Spec {
		return []posture.Spec{
			closes("silent-connections", "silent connection", always(probe.HTTPSilent(silenceTimeout))),
			closes("half-handshakes", "connection whose TLS handshake stops halfway", always(probe.HTTPHalfHello(silenceTimeout))),
			closes("slow-requests", "connection whose request headers never end", i.certificateCaller().sends(func(as probe.Caller) probe.Probe {
				return probe.HTTPSlowHeaders(as, silenceTimeout)
			})),
			withProbes(posture.Spec{
				ID: "https-limits-connections", Title: "HTTP port limits how many connections one address has at once",
				Kind: posture.Intrusive, Severity: posture.Medium, Lane: posture.Flooding,
				Settings: []string{"limits.http_max_conns_per_client"},
				Why:      "limits.http_max_conns_per_client: CVE-2020-7218, connections cost an agent file handles (command/agent/http.go:300)",
				Want:     posture.Want{probe.RefusedInHandshake},
			}, i.tokenlessCaller().sends(func(as probe.Caller) probe.Probe { return probe.HTTPFlood(flood, as) }), i.tokenlessCaller().sends(getHealth)),
		}
	})
}

// rpcLimits returns the checks of what one caller may use of the RPC port.
func (i Ingredients) rpcLimits() []posture.Spec {
	// Without TLS, the first byte and the number of connections are limited as well (nomad/rpc.go:280 and 223).
	server := i.callerOf(caller.Server).changed(probe.Caller.OrPlaintext)
	called, calledOverTLS := server.sends(callLeader), i.callerOf(caller.Server).sends(callLeader)
	closes := func(id, title string, p probe.Probe, control maybeProbe) posture.Spec {
		return withProbes(posture.Spec{
			ID: "rpc-closes-" + id, Title: "RPC port closes a " + title, Kind: posture.Safe, Severity: posture.Medium, Lane: posture.Waiting,
			Why:      "limits.rpc_handshake_timeout: CVE-2020-7218, connections cost a server file handles (nomad/rpc.go:280)",
			Want:     posture.Want{probe.RefusedInHandshake},
			Settings: []string{"limits.rpc_handshake_timeout"},
		}, always(p), control)
	}
	return atServers(
		closes("silent-connections", "silent connection", probe.RPCSilent(silenceTimeout), called),
		closes("unbegun-handshakes", "connection whose TLS handshake does not begin", probe.RPCSilentAfterTLSByte(silenceTimeout), calledOverTLS),
		closes("half-handshakes", "connection whose TLS handshake stops halfway", probe.RPCHalfHello(silenceTimeout), calledOverTLS),
		withProbes(posture.Spec{
			ID: "rpc-limits-connections", Title: "RPC port limits how many connections one address has at once",
			Kind: posture.Intrusive, Severity: posture.Medium, Lane: posture.Flooding,
			Settings: []string{"limits.rpc_max_conns_per_client"},
			Why:      "limits.rpc_max_conns_per_client: CVE-2020-7218, connections cost a server file handles (nomad/rpc.go:223)",
			Want:     posture.Want{probe.RefusedInHandshake},
			LogText:  "rejecting client for exceeding maximum RPC connections",
		}, server.sends(func(as probe.Caller) probe.Probe { return probe.RPCFlood(flood, as) }), called),
	)
}
