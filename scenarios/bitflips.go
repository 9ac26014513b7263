package scenarios

import (
	"context"
	"fmt"
	"maps"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
)

// bitFlips proves that a server notices when a request is changed on its way.
func bitFlips() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-flipped-bit-is-noticed",
		Claim: "A bit that is flipped between a caller and a server ends that connection, and does nothing else to the cluster.",
		Steps: func() []scenario.Step {
			var before map[string]string
			return []scenario.Step{
				{Title: "The servers agree on who leads, and on who their members are", Do: func(ctx context.Context, t *scenario.T) (err error) {
					before, err = clusterState(ctx, t)
					return err
				}},
				{Title: "A bit-flipping proxy changes a request: HTTPS, RPC and Raft end the connection", Do: flippedBits},
				{Title: "The same server leads, and the members are the same", Do: func(ctx context.Context, t *scenario.T) error {
					after, err := clusterState(ctx, t)
					if err == nil && !maps.Equal(before, after) {
						err = fmt.Errorf("the cluster was %v, and is %v", before, after)
					}
					return err
				}},
			}
		},
	}
}

// flippedBits runs the checks at every server.
func flippedBits(ctx context.Context, t *scenario.T) error {
	for _, n := range t.Lab.Servers() {
		server, err := as(t.Lab, pki.Server, n.Region())
		if err != nil {
			return err
		}
		for _, endpoint := range []struct {
			id    string
			probe probe.Probe
		}{
			{"https", probe.HTTP("/v1/agent/self", server)},
			{"rpc", probe.RPC("Status.Leader", server)},
			{"raft", probe.Raft(server)},
		} {
			if err := check(ctx, t, n, posture.Spec{
				ID: endpoint.id + "-notices-a-flipped-bit", Title: "a request with a flipped bit ends the connection, the same without is answered",
				Severity: posture.Critical,
				Why:      "a TLS record that was changed is refused with the alert bad_record_mac (RFC 8446, 5.2)",
				Probe:    probe.Through(endpoint.probe, probe.BitFlip{Turn: probe.RequestTurn}),
				Want:     posture.Want{probe.RefusedAfterHandshake},
				Control:  probe.Through(endpoint.probe, probe.BitFlip{}),
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// clusterState returns the leader's name, and each server's members with their status.
func clusterState(ctx context.Context, t *scenario.T) (map[string]string, error) {
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return nil, err
	}
	state := map[string]string{"leader": leader.Name()}
	for _, n := range t.Lab.Servers() {
		members, err := membersAt(ctx, n)
		if err != nil {
			return nil, err
		}
		for name, status := range members {
			state[n.Name()+" of "+name] = status
		}
	}
	t.Say("%s leads", leader.Name())
	return state, nil
}
