package scenarios

import (
	"context"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// listener proves that who listens on the network learns nothing.
func listener() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-listener-hears-nothing",
		Claim: "Who listens on the network of the servers reads nothing of what is asked of them, what they replicate, and what they gossip.",
		Spec:  spec.Spec{Regions: []spec.Region{{Clients: new(0)}}},
		Able:  probe.MayListen,
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "HTTP: a variable is written at each server, and is not overheard", Do: overheard(httpUnheard, 1)},
				{Title: "RPC: a job is registered at each server, and is not overheard on its way to the others", Do: overheard(rpcUnheard, 1)},
				{Title: "Gossip: the servers ping each other, and their names are not overheard", Do: overheard(gossipUnheard, -1)},
			}
		},
	}
}

// overheard makes a check at every server as it is seen on its own network, at so many of them at once; a negative number is all of
// them. What is registered at one goes over the ports of the others as well, and would there pass for their own: so such checks take
// turns. That servers ping each other is only waited for.
func overheard(check func(probe.Caller) posture.Spec, atOnce int) func(context.Context, *scenario.T) error {
	return func(ctx context.Context, t *scenario.T) error {
		server, err := as(t.Lab, pki.Server, pki.DefaultRegion)
		if err != nil {
			return err
		}
		servers := t.Lab.Servers()
		found := make([]finding.Finding, len(servers))
		var all errgroup.Group
		all.SetLimit(atOnce)
		for i, n := range servers {
			all.Go(func() error {
				found[i] = posture.Must(check(server)).Evaluate(ctx, inspect.Target(n))
				return nil
			})
		}
		_ = all.Wait() // none of them returns an error
		for _, f := range found {
			if err := t.Record(f); err != nil {
				return err
			}
		}
		return nil
	}
}

func httpUnheard(as probe.Caller) posture.Spec {
	return posture.Spec{
		ID: "listener-hears-no-http", Title: "what is asked over HTTPS is not overheard, what is asked in clear is",
		Kind: posture.Intrusive, Severity: posture.Critical,
		Why:     "with tls.http variables and tokens go over the network encrypted alone (verified against Nomad 1.11.3)",
		Probe:   probe.Overheard(probe.MarkerOn(probe.PlaneHTTP), probe.WritingVariable(as)),
		Want:    posture.Want{probe.Absent},
		Control: probe.Overheard(probe.MarkerOn(probe.PlaneHTTP), probe.SpeakingInClear(probe.PlaneHTTP)),
	}
}

func rpcUnheard(as probe.Caller) posture.Spec {
	return posture.Spec{
		ID: "listener-hears-no-rpc", Title: "what servers replicate is not overheard, a call in clear is",
		Kind: posture.Intrusive, Severity: posture.Critical,
		Why:     "with tls.rpc servers forward and replicate over TLS alone (nomad/raft_rpc.go, RaftLayer.Dial; verified against Nomad 1.11.3)",
		Probe:   probe.Overheard(probe.MarkerOn(probe.PlaneRPC), probe.RegisteringJob(as)),
		Want:    posture.Want{probe.Absent},
		Control: probe.Overheard(probe.MarkerOn(probe.PlaneRPC), probe.SpeakingInClear(probe.PlaneRPC)),
	}
}

func gossipUnheard(probe.Caller) posture.Spec {
	return posture.Spec{
		ID: "listener-hears-no-gossip", Title: "servers' names are not overheard in gossip, a ping in clear is",
		Severity: posture.High,
		Why:      "with server.encrypt all gossip is encrypted with AES-GCM (memberlist security.go; verified against Nomad 1.11.3)",
		Probe:    probe.Overheard(probe.MemberName(), probe.Gossiping()),
		Want:     posture.Want{probe.Absent},
		Control:  probe.Overheard(probe.MemberName(), probe.SpeakingInClear(probe.PlaneGossip)),
	}
}
