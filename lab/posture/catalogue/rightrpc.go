package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// rpcRights are those that RPC must not take a node's certificate for: whoever has the key of any client would read the
// state of the whole cluster. Status.Leader and its like are open to every certificate.
func (i Ingredients) rpcRights() []posture.Spec {
	var specs []posture.Spec
	for _, r := range []struct{ id, method, what, needs, at string }{
		{"nodes", "Node.List", "the list of nodes", policy("node", "read"), "nomad/node_endpoint.go:1751"},
		{"autopilot", "Operator.AutopilotGetConfiguration", "Autopilot's configuration", policy("operator", "read"), "nomad/operator_endpoint.go:323"},
		{"jobs", "Job.List", "the list of jobs", capability("list-jobs"), "nomad/job_endpoint.go:1430"},
	} {
		call := func(c probe.Caller) probe.Probe { return probe.RPC(r.method, c) }
		specs = append(specs, tried(posture.Spec{
			ID:    "server-rpc-hides-" + r.id + "-from-clients-certificate",
			Title: fmt.Sprintf("a server's RPC port does not tell %s to whoever has a client's certificate and no ACL token", r.what),
			Kind:  posture.Safe, Severity: posture.High, Once: true, Roles: []pki.Role{pki.Server},
			Why:  fmt.Sprintf("a certificate is no token: without one there is the anonymous policy alone, which must not grant %s (%s; verified against Nomad 1.11.3)", r.needs, r.at),
			Want: posture.Want{probe.Denied},
		}, i.as(party.Client).does(call), i.as(party.Client).with(i.Management, managementLabel).does(call)))
	}
	return specs
}
