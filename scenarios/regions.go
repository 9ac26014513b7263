package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// unknownRegion is a region that no lab has.
const unknownRegion = "nowhere"

// regions proves where the rights of agents end in regions that federate. The regions share one authority and one gossip key.
func regions() scenario.Scenario {
	return scenario.Scenario{
		Name:  "agents-rights-end-at-their-region",
		Claim: "Regions that federate forward each other's calls, and forwarding gives nobody what only a region's own servers and clients may have.",
		Spec: spec.Spec{Regions: []spec.Region{
			{Name: pki.DefaultRegion, Servers: new(1), Clients: new(0)},
			{Name: "eu", Servers: new(1), Clients: new(0)},
		}},
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "Each region finds the other, and no third one", Do: regionsFindEachOther},
				{Title: "RPC: a server forwards to the other region what every agent may call", Do: forwarded(ordinaryCalls)},
				{Title: "RPC: a call that only agents of the other region may make is forwarded, and refused there", Do: forwarded(restrictedCalls)},
			}
		},
	}
}

// regionsFindEachOther asks each server over HTTPS for the other region's leader. Only the other region knows who leads it, so
// the answer comes from there.
func regionsFindEachOther(ctx context.Context, t *scenario.T) error {
	for _, n := range t.Lab.Servers() {
		other, err := elsewhere(t.Lab, n)
		if err != nil {
			return err
		}
		client, err := n.API()
		if err != nil {
			return err
		}
		leaderOf := func(ctx context.Context, region string) (leader string, err error) {
			q := asking(ctx)
			q.Region = region
			_, err = client.Raw().Query("/v1/status/leader", &leader, q)
			return leader, err
		}
		want := []string{n.Region(), other.Region()}
		slices.Sort(want)
		err = poll.Until(ctx, fmt.Sprintf("%s to know %s", n.Name(), strings.Join(want, " and ")), func(ctx context.Context) string {
			var known []string
			if _, err := client.Raw().Query("/v1/regions", &known, asking(ctx)); err != nil {
				return err.Error()
			}
			if slices.Sort(known); !slices.Equal(known, want) {
				return fmt.Sprintf("it knows %q", known)
			}
			return ""
		})
		if err != nil {
			return err
		}
		leader, err := leaderOf(ctx, other.Region())
		if err != nil {
			return fmt.Errorf("ask %s for the leader of %s: %w", n.Name(), other.Region(), err)
		}
		if leader != other.Advertised().String() {
			return fmt.Errorf("%s says that %s leads %s, which is %s", n.Name(), leader, other.Region(), other.Advertised())
		}
		// nomad/rpc.go, forwardRegion.
		switch _, err := leaderOf(ctx, unknownRegion); {
		case err == nil:
			return fmt.Errorf("%s names a leader of a region that does not exist", n.Name())
		case !strings.Contains(err.Error(), "No path to region"):
			return fmt.Errorf("ask %s for the leader of a region that does not exist: %w", n.Name(), err)
		}
		t.Say("%s finds the leader of %s, %s, and no path to a region that does not exist", n.Name(), other.Region(), leader)
	}
	return nil
}

// elsewhere returns the server of the other region.
func elsewhere(l *lab.Lab, n *lab.Node) (*lab.Node, error) {
	for _, other := range l.Servers() {
		if other.Region() != n.Region() {
			return other, nil
		}
	}
	return nil, fmt.Errorf("the lab has no region beside %s", n.Region())
}

// crossing is a call from one region to another: who makes it in the own region, and the region that it is for.
type crossing struct {
	own, other                string
	server, client, anonymous probe.Caller
}

// forwarded returns the action that runs checks at each server, each of a call that the server forwards to the other region.
func forwarded(checks func(crossing) []posture.Spec) action {
	return func(ctx context.Context, t *scenario.T) error {
		for _, n := range t.Lab.Servers() {
			other, err := elsewhere(t.Lab, n)
			if err != nil {
				return err
			}
			c := crossing{own: n.Region(), other: other.Region(), anonymous: probe.Anonymous(t.Lab.Credential())}
			if c.server, err = as(t.Lab, pki.Server, c.own); err != nil {
				return err
			}
			if c.client, err = as(t.Lab, pki.Client, c.own); err != nil {
				return err
			}
			for _, spec := range checks(c) {
				if err := check(ctx, t, n, spec); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func ordinaryCalls(c crossing) []posture.Spec {
	return []posture.Spec{{
		ID: "rpc-passes-on-ordinary-calls", Title: "a server forwards a client's call to another region, and none without a certificate",
		Severity: posture.Low,
		Why: "federation: a call names its region, and any server of another one forwards it " +
			"(nomad/rpc.go, forwardRegion; verified against Nomad 1.11.3)",
		Probe:   probe.RPCCall(probe.StatusLeader().In(c.other), c.client),
		Want:    posture.Want{probe.Accepted},
		Control: probe.RPCCall(probe.StatusLeader().In(c.other), c.anonymous),
	}}
}

// restrictedCalls returns the checks of calls that are refused when they are for the other region; their control is the same call
// for the caller's own region. The first server lets the caller make each of these calls, so it is the other region that refuses.
func restrictedCalls(c crossing) (all []posture.Spec) {
	for _, r := range []struct {
		id, title string
		call      probe.Call
		caller    probe.Caller
	}{
		{"servers-get-no-root-keys-of-another-region", "a server gets root keys of its own region alone", probe.GetNoKey(), c.server},
		{"servers-get-no-evaluations-of-another-region", "a server gets evaluations of its own region alone", probe.DequeueNothing(), c.server},
		// It is forwarded before any server looks at the client's certificate (nomad/node_endpoint.go:97).
		{"clients-register-in-no-other-region", "a client registers in its own region alone", probe.RegisterNothing(), c.client},
	} {
		all = append(all, posture.Spec{
			ID: r.id, Title: r.title, Severity: posture.Critical,
			Why: "tls.verify_server_hostname: of a forwarded call the other region sees the certificate of the server that forwarded it " +
				"(nomad/auth/auth.go; verified against Nomad 1.11.3)",
			Probe: probe.RPCCall(r.call.In(c.other), r.caller), Want: posture.Want{probe.Denied}, Answer: "Permission denied",
			Control: probe.RPCCall(r.call.In(c.own), r.caller),
		})
	}
	return all
}
