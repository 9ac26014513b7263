package scenarios

import (
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// listener proves that a listener on the network can read nothing.
func listener() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-listener-hears-nothing",
		Claim: "A listener on the network of the servers reads nothing of what they are asked, replicate and gossip.",
		Spec:  spec.Spec{Regions: []spec.Region{{Clients: new(0)}}},
		Able:  probe.MayCapture,
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "HTTP: each server is asked for a job, and its name is not overheard", Do: checks("server-network-carries-no-http-in-clear")},
				{
					Title: "RPC: a job is registered at each server, and is not overheard on its way to the others",
					Do:    checks("network-carries-no-rpc-in-clear"),
				},
				{Title: "Gossip: the servers ping each other, and their names are not overheard", Do: checks("network-carries-no-gossip-in-clear")},
			}
		},
	}
}
