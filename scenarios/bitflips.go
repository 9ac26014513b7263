package scenarios

import (
	"context"
	"fmt"
	"maps"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
)

// tampering proves that what is changed on its way is noticed.
func tampering() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-flipped-bit-is-noticed",
		Claim: "A bit that is flipped between a caller and a server ends that connection, and does nothing else to the cluster.",
		Steps: func() []scenario.Step {
			before := map[string]string{}
			return []scenario.Step{
				{Title: "The servers agree on who leads, and on who their members are", Do: func(ctx context.Context, t *scenario.T) error {
					state, err := clusterState(ctx, t)
					maps.Copy(before, state)
					return err
				}},
				{Title: "Somebody in between flips a bit of a request: HTTPS, RPC and Raft end the connection", Do: flippedBits},
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

// flippedBits makes the checks at every server.
func flippedBits(ctx context.Context, t *scenario.T) error {
	for _, n := range t.Lab.Servers() {
		server, err := as(t.Lab, pki.Server, n.Region())
		if err != nil {
			return err
		}
		for _, door := range []struct {
			id    string
			probe probe.Probe
		}{
			{"https", probe.HTTP("/v1/agent/self", server)},
			{"rpc", probe.RPC("Status.Leader", server)},
			{"raft", probe.Raft(server)},
		} {
			f := posture.Must(posture.Spec{
				ID: door.id + "-notices-a-flipped-bit", Title: "a request with a flipped bit ends the connection, the same without is answered",
				Severity: posture.Critical,
				Why:      "a TLS record that was changed is refused with the alert bad_record_mac (RFC 8446, 5.2)",
				Probe:    probe.Through(door.probe, probe.BitFlip{Turn: probe.Request}),
				Want:     posture.Want{probe.RefusedAfterHandshake},
				Control:  probe.Through(door.probe, probe.BitFlip{}),
			}).Evaluate(ctx, inspect.Target(n))
			if err := t.Record(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// clusterState is who leads, and who each server's members are.
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
