package scenarios

import (
	"context"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
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
				{Title: "HTTP: a variable is written at each server, and is not overheard", Do: writtenVariables},
				{
					Title: "RPC: a job is registered at each server, and is not overheard on its way to the others",
					Do:    checks("network-carries-no-rpc-in-clear"),
				},
				{Title: "Gossip: the servers ping each other, and their names are not overheard", Do: checks("network-carries-no-gossip-in-clear")},
			}
		},
	}
}

// writtenVariables shows that a secret which is written does not cross the network in clear. The checks of the catalogue
// write nothing. The servers take turns, because a write at one goes over the ports of the others too.
func writtenVariables(ctx context.Context, t *scenario.T) error {
	server, err := as(t.Lab, pki.Server, pki.DefaultRegion)
	if err != nil {
		return err
	}
	search := probe.MarkerOn(probe.PlaneHTTP)
	for _, n := range t.Lab.Servers() {
		if err := check(ctx, t, n, posture.Spec{
			ID: "listener-reads-no-written-variable", Title: "a variable that is written over HTTPS is not overheard, one in clear is",
			Kind: posture.Intrusive, Severity: posture.Critical,
			Why:     "with tls.http variables and tokens cross the network encrypted only (verified against Nomad 1.11.3)",
			Probe:   probe.TrafficSearch(search, probe.WriteVariableTraffic(server)),
			Want:    posture.Want{probe.Absent},
			Control: probe.TrafficSearch(search, probe.PlaintextTraffic(probe.PlaneHTTP)),
		}); err != nil {
			return err
		}
	}
	return nil
}
