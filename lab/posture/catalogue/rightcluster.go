package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// clusterRights are the rights about the cluster itself: its nodes, its servers, its keys.
func (i Ingredients) clusterRights() []posture.Spec {
	var all []posture.Spec
	for _, rights := range [][]right{nodeRights(), poolRights(), agentRights(), operatorRights()} {
		all = append(all, i.denials(pki.Server, rights)...)
	}
	return all
}

// policy names a block of a policy with its level.
func policy(block, level string) string { return fmt.Sprintf("policy = %q for %s", level, block) }

func nodeRights() []right {
	return []right{
		{
			may: "list nodes", needs: policy("node", "read"),
			at: "nomad/node_endpoint.go:1751", severity: posture.High,
			ask: get("/v1/nodes"),
		},
		{
			may: "drain nodes", needs: policy("node", "write"),
			at: "nomad/node_endpoint.go:1056", severity: posture.High,
			ask: put("/v1/node/"+noID+"/eligibility", `{"Eligibility":"ineligible"}`, "node not found"),
		},
	}
}

func poolRights() []right {
	in := func(c string) string { return fmt.Sprintf("the node_pool capability %q", c) }
	return []right{
		{
			may: "read node pools", needs: in("read"), at: "nomad/node_pool_endpoint.go:122", severity: posture.Low,
			ask: get("/v1/node/pool/"+noName, "node pool not found"),
		},
		{
			may: "search node pools", needs: "any capability of a node_pool",
			at: "nomad/search_endpoint.go:681", severity: posture.Low,
			ask: put("/v1/search", `{"Prefix":"`+noName+`","Context":"node_pools"}`),
		},
		{
			may: "change node pools", needs: in("write"),
			at: "nomad/node_pool_endpoint.go:182", severity: posture.Medium,
			ask: put("/v1/node/pool/default", `{"Name":"default"}`, "modifying node pool"),
		},
		{
			may: "delete node pools", needs: in("delete"),
			at: "nomad/node_pool_endpoint.go:249", severity: posture.Medium,
			ask: drop("/v1/node/pool/"+noName, "not found"),
		},
	}
}

func agentRights() []right {
	return []right{
		{
			may: "read agents", needs: policy("agent", "read"),
			at: "command/agent/agent_endpoint.go:72", severity: posture.High,
			ask: get(selfPath),
		},
		{
			may: "change agents", needs: policy("agent", "write"),
			at: "command/agent/agent_endpoint.go:933", severity: posture.Critical,
			ask: put("/v1/agent/schedulers/config", `{"num_schedulers":-1}`, "Invalid request"),
		},
	}
}

func operatorRights() []right {
	with := func(c string) string { return fmt.Sprintf("the operator capability %q", c) }
	return []right{
		{
			may: "read the servers' configuration", needs: policy("operator", "read"),
			at: "nomad/operator_endpoint.go:323", severity: posture.Medium,
			ask: get("/v1/operator/autopilot/configuration"),
		},
		{
			may: "change the scheduler", needs: policy("operator", "write"),
			at: "nomad/operator_endpoint.go:433", severity: posture.High,
			ask: put("/v1/operator/scheduler/configuration?cas="+noIndex, `{"SchedulerAlgorithm":"binpack"}`),
		},
		{
			// Whoever is let in makes Raft write a snapshot of its own besides, as it does from time to time.
			may: "take a snapshot", needs: with("snapshot-save"),
			at: "nomad/operator_endpoint.go:600", severity: posture.Critical,
			kind: posture.Intrusive, ask: get("/v1/operator/snapshot"),
		},
		{
			may: "list encryption keys", needs: with("keyring-read"),
			at: "nomad/keyring_endpoint.go:139", severity: posture.Medium,
			ask: get("/v1/operator/keyring/keys"),
		},
		{
			may: "rotate encryption keys", needs: with("keyring-rotate"),
			at: "nomad/keyring_endpoint.go:48", severity: posture.High,
			ask: put("/v1/operator/keyring/rotate?full=true&publish_time=1", "", "cannot be prepublished and full rotated"),
		},
		{
			may: "delete encryption keys", needs: with("keyring-delete"),
			at: "nomad/keyring_endpoint.go:330", severity: posture.Critical,
			ask: drop("/v1/operator/keyring/key/"+noID, "root key not found"),
		},
	}
}
