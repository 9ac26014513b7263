package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// rpcRights returns the checks of RPC methods for which a node's certificate must not be enough. Otherwise the key of
// any client would read the state of the whole cluster. Status.Leader and similar methods are open to every
// certificate.
func (i Ingredients) rpcRights() []posture.Spec {
	var specs []posture.Spec
	for _, r := range []struct{ id, method, what, needs, at string }{
		{"nodes", "Node.List", "the list of nodes", policy("node", "read"), "nomad/node_endpoint.go:1751"},
		{"autopilot", "Operator.AutopilotGetConfiguration", "Autopilot's configuration", policy("operator", "read"), "nomad/operator_endpoint.go:323"},
		{"jobs", "Job.List", "the list of jobs", capability("list-jobs"), "nomad/job_endpoint.go:1430"},
	} {
		// With AllowStale the server answers itself, by its own acl block.
		call := func(c probe.Caller) probe.Probe {
			return probe.RPCCall(probe.Call{Method: r.method, Args: map[string]any{"AllowStale": true}}, c)
		}
		specs = append(specs, withProbes(posture.Spec{
			ID:    "server-rpc-hides-" + r.id + "-from-clients-certificate",
			Title: fmt.Sprintf("a server's RPC port does not tell %s to a caller with a client's certificate and no ACL token", r.what),
			Kind:  posture.Safe, Severity: posture.High, Roles: []pki.Role{pki.Server},
			Settings: []string{aclEnabled},
			Why:      "a certificate is no token: " + withoutToken(r.needs, r.at),
			Want:     posture.Want{probe.Denied},
		}, i.callerOf(caller.Client).sends(call), i.callerOf(caller.Client).withToken(i.Management, managementLabel).sends(call)))
	}
	return append(specs, i.commands())
}

// commands returns the check of running a command in a task, which is possible through a stream alone. Nomad looks
// for the allocation before the right, and for the task after it. The task is not named, so no command runs.
func (i Ingredients) commands() posture.Spec {
	alloc, missing := noID, NoSampleJob
	if i.SampleJob != nil {
		alloc, missing = i.SampleJob.Alloc, ""
	}
	stream := func(c probe.Caller) probe.Probe {
		return probe.RPCStream(verifiedCall(probe.Call{
			Method: "Allocations.Exec", Args: map[string]any{"AllocID": alloc, "Cmd": []string{"true"}},
			AcceptedErrors: []string{"must provide task name"},
		}), c)
	}
	client := i.callerOf(caller.Client).orMissing(missing)
	return withProbes(posture.Spec{
		ID:       lets(pki.Server, "run commands in tasks"),
		Title:    "a server lets nobody run commands in tasks without an ACL token",
		Severity: posture.Critical, Roles: []pki.Role{pki.Server},
		Settings: []string{aclEnabled},
		Why:      withoutToken(capability("alloc-exec"), "nomad/client_alloc_endpoint.go:540"),
		Want:     posture.Want{probe.Denied},
	}, client.sends(stream), client.withToken(i.Management, managementLabel).sends(stream))
}
