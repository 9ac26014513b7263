package catalogue

import (
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// rogueServers are whom a client takes for a server. What guards its RPC is asked for over its HTTP API: a client has no RPC
// port of its own.
func (i Ingredients) rogueServers() []posture.Spec {
	offered := func(k caller.Kind) maybeProbe {
		holder, asker := i.callerOf(k), i.privilegedCaller()
		if holder.missing != "" {
			asker = asker.orMissing(holder.missing)
		}
		return asker.sends(func(as probe.Caller) probe.Probe { return probe.RogueServer(holder.caller, as) })
	}
	// What Go says of a certificate for other names, up to the domain.
	reason := "not " + pki.Identity{Role: pki.Server, Region: i.region()}.Name()
	return []posture.Spec{withProbes(posture.Spec{
		ID:    "client-takes-no-client-for-a-server",
		Title: "a client takes nobody for a server who has a client's certificate",
		Plane: probe.PlaneRPC, Kind: posture.Intrusive, Severity: posture.Critical, Roles: []pki.Role{pki.Client},
		Why: "tls.verify_server_hostname: without it a client looks at the authority alone, and registers with whoever holds any certificate of it, " +
			"so that every node's key is good to command all others (helper/tlsutil/config.go:233; verified against Nomad 1.11.3)",
		Settings: []string{tlsVerifyNames, tlsRPC},
		Want:     posture.Want{probe.RefusedInHandshake},
		Answer:   reason,
		LogText:  reason, LogLevel: "ERROR",
	}, offered(caller.Client), offered(caller.Server))}
}
