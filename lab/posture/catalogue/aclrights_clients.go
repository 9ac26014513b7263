package catalogue

import (
	"net/http"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// clientRights returns the checks of the rights that a client checks itself, by its own acl block. Without that block it
// serves every caller, whatever the servers deny (nomad#11676, nomad#11799).
func (i Ingredients) clientRights() []posture.Spec {
	return append(i.denials(pki.Client,
		newRight("read agents", policy("agent", "read"), "command/agent/agent_endpoint.go:72", posture.High, get(selfPath)),
		newRight("take profiles", policy("agent", "write"), "client/agent_endpoint.go:41", posture.Medium, get("/v1/agent/pprof/cmdline")),
		newRight("send it to other servers", policy("agent", "write"), "command/agent/agent_endpoint.go:584", posture.Critical,
			put("/v1/agent/servers?address=127.0.0.1:"+noName, "", "unknown port")),
		newRight("read what it uses", policy("node", "read"), "client/client_stats_endpoint.go:26", posture.Low, get("/v1/client/stats")),
		newRight("change its metadata", policy("node", "write"), "client/meta_endpoint.go:30", posture.High,
			verified(probe.Request{Method: http.MethodPost, Path: "/v1/client/metadata", Body: `{}`, AcceptedErrors: []string{"missing required Meta object"}})),
	), i.unknownToken())
}

// unknownToken returns the check that a client asks a server about a token that it does not know.
func (i Ingredients) unknownToken() posture.Spec {
	return withProbes(posture.Spec{
		ID: "client-refuses-unknown-token", Title: "a client refuses an ACL token that does not exist",
		Kind: posture.Safe, Severity: posture.High, Roles: []pki.Role{pki.Client},
		Settings: []string{aclEnabled},
		Why:      "a client without an acl block looks at no token (client/acl.go:73; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Denied}, Answer: permissionDenied,
	}, i.tokenlessCaller().withToken(noID, "a token that does not exist").sends(getSelf), i.managementCaller().sends(getSelf))
}
