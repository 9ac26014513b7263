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
	slow := []string{"limits.https_handshake_timeout", tlsHTTP}
	const source = "limits.https_handshake_timeout: CVE-2020-7218, connections cost an agent file handles (command/agent/http.go:254)"
	shut := posture.Want{probe.RefusedInHandshake, probe.RefusedAfterHandshake}
	spoken := i.certificateCaller().sends(getHealth)
	return forBoth(func(pki.Role) []posture.Spec {
		return []posture.Spec{
			withProbes(posture.Spec{
				ID: "https-closes-silent-connections", Title: "HTTP port closes a silent connection",
				Kind: posture.Safe, Severity: posture.Medium, Lane: posture.Waiting, Why: source, Want: shut, Settings: slow,
			}, always(probe.HTTPSilent(silenceTimeout)), spoken),
			withProbes(posture.Spec{
				ID: "https-closes-half-handshakes", Title: "HTTP port closes a connection whose TLS handshake stops halfway",
				Kind: posture.Safe, Severity: posture.Medium, Lane: posture.Waiting, Why: source, Want: shut, Settings: slow,
			}, always(probe.HTTPHalfHello(silenceTimeout)), spoken),
			withProbes(posture.Spec{
				ID: "https-closes-slow-requests", Title: "HTTP port closes a connection whose request headers never end",
				Kind: posture.Safe, Severity: posture.Medium, Lane: posture.Waiting, Why: source, Want: shut, Settings: slow,
			}, i.certificateCaller().sends(func(as probe.Caller) probe.Probe { return probe.HTTPSlowHeaders(as, silenceTimeout) }), spoken),
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
	const source = "limits.rpc_handshake_timeout: CVE-2020-7218, connections cost a server file handles (nomad/rpc.go:280)"
	shut := posture.Want{probe.RefusedInHandshake}
	// Without TLS, the first byte and the number of connections are limited as well (nomad/rpc.go:280 and 223).
	server := i.callerOf(caller.Server).changed(probe.Caller.OrInClear)
	called, calledOverTLS := server.sends(callLeader), i.callerOf(caller.Server).sends(callLeader)
	silence := func(id, title string, p probe.Probe, control maybeProbe) posture.Spec {
		return withProbes(posture.Spec{
			ID: id, Title: title, Kind: posture.Safe, Severity: posture.Medium, Lane: posture.Waiting, Why: source, Want: shut,
			Settings: []string{"limits.rpc_handshake_timeout"},
		}, always(p), control)
	}
	return atServers(
		silence("rpc-closes-silent-connections", "RPC port closes a silent connection", probe.RPCSilent(silenceTimeout), called),
		silence("rpc-closes-unbegun-handshakes", "RPC port closes a connection whose TLS handshake does not begin", probe.RPCSilentAfterTLSByte(silenceTimeout), calledOverTLS),
		silence("rpc-closes-half-handshakes", "RPC port closes a connection whose TLS handshake stops halfway", probe.RPCHalfHello(silenceTimeout), calledOverTLS),
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
