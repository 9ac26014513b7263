package catalogue

import (
	"net/http"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// bootstrap is who gets the first management token: whoever asks first, token or not. It is asked for with a secret that no
// token can have, which Nomad looks at last (nomad/acl_endpoint.go:498): none is made, whatever comes of it.
func (i Ingredients) bootstrap() []posture.Spec {
	ask := verified(probe.Ask{
		Method: http.MethodPost, Path: "/v1/acl/bootstrap", Body: `{"BootstrapSecret":"` + noName + `"}`,
		Behind: []string{"invalid acl token"},
	})
	return []posture.Spec{withProbes(posture.Spec{
		ID:       "server-lets-nobody-bootstrap-acls-again",
		Title:    "a server makes no management token for whoever asks first: its ACLs were bootstrapped, and no reset of that is pending",
		Severity: posture.Critical, Roles: []pki.Role{pki.Server}, ForwardedTo: i.leaderOf,
		Why: "until somebody has bootstrapped the ACLs, and again while the file acl-bootstrap-reset lies in the servers' data_dir, every certificate will do " +
			"(nomad/acl_endpoint.go:442; verified against Nomad 1.11.3)",
		Want: posture.Want{probe.Denied}, Answer: "ACL bootstrap already done",
	},
		i.tokenlessCaller().sends(func(c probe.Caller) probe.Probe { return probe.HTTPAsk(ask, c) }),
		// A server without ACLs makes no token either, and tells of none: what it says proves nothing.
		i.managementCaller().sends(func(c probe.Caller) probe.Probe { return probe.HTTP("/v1/acl/tokens?"+stale, c) }),
	), i.bootstrapByClient()}
}

// bootstrapByClient is the same question in earnest, with no more than what every client has: to be asked of a cluster that
// is thrown away, as nobody gets to see the token that is made where none was.
func (i Ingredients) bootstrapByClient() posture.Spec {
	call := func(c probe.Call) maybeProbe {
		return i.callerOf(caller.Client).sends(func(as probe.Caller) probe.Probe { return probe.RPCCall(c, as) })
	}
	return withProbes(posture.Spec{
		ID:    "rpc-gives-no-first-token-to-a-client",
		Title: "RPC port gives no client the first management token",
		Kind:  posture.Destructive, Severity: posture.Critical, PerRegion: true, Roles: []pki.Role{pki.Server},
		Why: "whoever asks first gets it, with a client's certificate and no token: bootstrap the ACLs before clients are admitted " +
			"(nomad/acl_endpoint.go:442; verified against Nomad 1.11.3)",
		Want: posture.Want{probe.Denied}, Answer: "ACL bootstrap already done",
	}, call(probe.Bootstrap()), call(probe.StatusLeader()))
}
