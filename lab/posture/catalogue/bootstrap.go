package catalogue

import (
	"net/http"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// bootstrap returns the checks of who gets the first management token. The request has a bootstrap secret that no
// token can have. Nomad validates the secret last (nomad/acl_endpoint.go:498), so no token is made, whatever the
// result.
func (i Ingredients) bootstrap() []posture.Spec {
	ask := verified(probe.Request{
		Method: http.MethodPost, Path: "/v1/acl/bootstrap", Body: `{"BootstrapSecret":"` + noName + `"}`,
		AcceptedErrors: []string{"invalid acl token"},
	})
	return []posture.Spec{withProbes(posture.Spec{
		ID:       "server-lets-nobody-bootstrap-acls-again",
		Title:    "a server makes no management token for the first caller: its ACLs were bootstrapped, and no reset of that is pending",
		Severity: posture.Critical, Roles: []pki.Role{pki.Server}, ForwardedTo: i.leaderOf,
		Why: "until the ACLs are bootstrapped, and again while the file acl-bootstrap-reset lies in the servers' data_dir, every certificate is enough " +
			"(nomad/acl_endpoint.go:442; verified against Nomad 1.11.3)",
		Want: posture.Want{probe.Denied}, Answer: "ACL bootstrap already done",
	},
		i.tokenlessCaller().sends(func(c probe.Caller) probe.Probe { return probe.HTTPRequest(ask, c) }),
		// A server without ACLs makes no token either, and has none to list: its answer proves nothing.
		i.managementCaller().sends(func(c probe.Caller) probe.Probe { return probe.HTTP("/v1/acl/tokens?"+stale, c) }),
	), i.bootstrapByClient()}
}

// bootstrapByClient returns the check of the same request with a valid secret, sent with what every client has. It is
// for a cluster that is thrown away: where it succeeds, the new token is lost.
func (i Ingredients) bootstrapByClient() posture.Spec {
	call := func(c probe.Call) maybeProbe {
		return i.callerOf(caller.Client).sends(func(as probe.Caller) probe.Probe { return probe.RPCCall(c, as) })
	}
	return withProbes(posture.Spec{
		ID:    "rpc-gives-no-first-token-to-a-client",
		Title: "RPC port gives no client the first management token",
		Kind:  posture.Destructive, Severity: posture.Critical, PerRegion: true, Roles: []pki.Role{pki.Server},
		Why: "the first caller gets it, with a client's certificate and no token: bootstrap the ACLs before clients are admitted " +
			"(nomad/acl_endpoint.go:442; verified against Nomad 1.11.3)",
		Want: posture.Want{probe.Denied}, Answer: "ACL bootstrap already done",
	}, call(probe.Bootstrap()), call(probe.StatusLeader()))
}
