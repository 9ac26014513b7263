package catalogue

import (
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// rogueServers returns the checks of whom a client accepts as a server. They use its HTTP API, as a client has no RPC
// port.
func (i Ingredients) rogueServers() []posture.Spec {
	offered := func(k caller.Kind) maybeProbe {
		holder, asker := i.callerOf(k), i.privilegedCaller()
		if holder.missing != "" {
			asker = asker.orMissing(holder.missing)
		}
		return asker.sends(func(as probe.Caller) probe.Probe { return probe.RogueServer(holder.caller, as) })
	}
	// Go's error for a certificate with other names, up to the domain.
	reason := "not " + pki.Identity{Role: pki.Server, Region: i.region()}.Name()
	return []posture.Spec{withProbes(posture.Spec{
		ID:    "client-takes-no-client-for-a-server",
		Title: "a client does not accept a client's certificate as a server's",
		Plane: probe.PlaneRPC, Kind: posture.Intrusive, Severity: posture.Critical, Roles: []pki.Role{pki.Client},
		Why: "tls.verify_server_hostname: without it a client verifies the authority alone, and registers with the holder of any of its certificates, " +
			"so that every node's key can command all others (helper/tlsutil/config.go:233; verified against Nomad 1.11.3)",
		Settings: []string{tlsVerifyNames, tlsRPC},
		Want:     posture.Want{probe.RefusedInHandshake},
		Answer:   reason,
		LogText:  reason, LogLevel: "ERROR",
	}, offered(caller.Client), offered(caller.Server))}
}
