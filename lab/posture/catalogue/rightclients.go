package catalogue

import (
	"net/http"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// clientRights are the rights that a client resolves for itself, with an acl block of its own: without it, it serves
// everybody, whatever the servers deny (nomad#11676, nomad#11799).
func (i Ingredients) clientRights() []posture.Spec {
	rights := []right{
		{
			may: "read agents", needs: policy("agent", "read"),
			at: "command/agent/agent_endpoint.go:72", severity: posture.High,
			ask: get(selfPath),
		},
		{
			may: "take profiles", needs: policy("agent", "write"),
			at: "client/agent_endpoint.go:41", severity: posture.Medium,
			ask: get("/v1/agent/pprof/cmdline"),
		},
		{
			may: "send it to other servers", needs: policy("agent", "write"),
			at: "command/agent/agent_endpoint.go:584", severity: posture.Critical,
			ask: put("/v1/agent/servers?address=127.0.0.1:"+noName, "", "unknown port"),
		},
		{
			may: "read what it uses", needs: policy("node", "read"),
			at: "client/client_stats_endpoint.go:26", severity: posture.Low,
			ask: get("/v1/client/stats"),
		},
		{
			may: "change its metadata", needs: policy("node", "write"),
			at: "client/meta_endpoint.go:30", severity: posture.High,
			ask: verified(probe.Ask{Method: http.MethodPost, Path: "/v1/client/metadata", Body: `{}`, Behind: []string{"missing required Meta object"}}),
		},
	}
	return append(i.denials(pki.Client, rights), i.unknownToken())
}

// unknownToken is the check that a client asks a server about a token that it does not know.
func (i Ingredients) unknownToken() posture.Spec {
	ask := func(c probe.Caller) probe.Probe { return probe.HTTP(selfPath, c) }
	return withProbes(posture.Spec{
		ID: "client-refuses-unknown-token", Title: "a client refuses an ACL token that nobody has made",
		Kind: posture.Safe, Severity: posture.High, Roles: []pki.Role{pki.Client},
		Settings: []string{aclEnabled},
		Why:      "a client without an acl block looks at no token (client/acl.go:73; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Denied}, Answer: permissionDenied,
	}, i.tokenlessCaller().withToken(noID, "a token that nobody has made").sends(ask), i.managementCaller().sends(ask))
}
