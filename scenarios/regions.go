package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// nowhere is a region that no lab has.
const nowhere = "nowhere"

// regions proves what regions that federate are to each other. They have one authority and one gossip key.
func regions() scenario.Scenario {
	return scenario.Scenario{
		Name:  "agents-rights-end-at-their-region",
		Claim: "Regions that federate pass each other's questions on, and what is for a region's own servers and clients alone nobody gets that way.",
		Spec: spec.Spec{Regions: []spec.Region{
			{Name: pki.DefaultRegion, Servers: new(1), Clients: new(0)},
			{Name: "eu", Servers: new(1), Clients: new(0)},
		}},
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "Each region finds its way to the other, and to no third one", Do: regionsFindEachOther},
				{Title: "RPC: a server passes on to the other region what everybody may ask", Do: passedOn(ordinaryCall)},
				{Title: "RPC: what is for agents of the other region alone is passed on, and refused there", Do: passedOn(rootKey, evaluation, registration)},
			}
		},
	}
}

// regionsFindEachOther asks each server over HTTPS. Who leads a region is known to that region alone, so the answer is the other
// region's own.
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
		switch _, err := leaderOf(ctx, nowhere); {
		case err == nil:
			return fmt.Errorf("%s names a leader of a region that there is not", n.Name())
		case !strings.Contains(err.Error(), "No path to region"):
			return fmt.Errorf("ask %s for the leader of a region that there is not: %w", n.Name(), err)
		}
		t.Say("%s finds the leader of %s, %s, and no path to a region that there is not", n.Name(), other.Region(), leader)
	}
	return nil
}

// elsewhere is the server of the other region.
func elsewhere(l *lab.Lab, n *lab.Node) (*lab.Node, error) {
	for _, other := range l.Servers() {
		if other.Region() != n.Region() {
			return other, nil
		}
	}
	return nil, fmt.Errorf("there is no region beside %s", n.Region())
}

// between is a server with the callers of its own region, and the region that its calls are for.
type between struct {
	own, other             string
	server, client, nobody probe.Caller
}

// passedOn makes checks at each server, of calls that it is to pass on to the other region.
func passedOn(checks ...func(between) posture.Spec) func(context.Context, *scenario.T) error {
	return func(ctx context.Context, t *scenario.T) error {
		for _, n := range t.Lab.Servers() {
			other, err := elsewhere(t.Lab, n)
			if err != nil {
				return err
			}
			b := between{own: n.Region(), other: other.Region(), nobody: probe.Anonymous(t.Lab.Credential())}
			if b.server, err = as(t.Lab, pki.Server, b.own); err != nil {
				return err
			}
			if b.client, err = as(t.Lab, pki.Client, b.own); err != nil {
				return err
			}
			for _, check := range checks {
				if err := t.Record(posture.Must(check(b)).Evaluate(ctx, inspect.Target(n))); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func ordinaryCall(b between) posture.Spec {
	return posture.Spec{
		ID: "rpc-passes-on-ordinary-calls", Title: "a server passes on a client's question to another region, and nobody's without a certificate",
		Severity: posture.Low,
		Why:      "federation: a call names its region, and any server of another one passes it on (nomad/rpc.go, forwardRegion; verified against Nomad 1.11.3)",
		Probe:    probe.RPCCall(probe.StatusLeader().In(b.other), b.client),
		Want:     posture.Want{probe.Accepted},
		Control:  probe.RPCCall(probe.StatusLeader().In(b.other), b.nobody),
	}
}

// rightsEnd is the spec of a call that is refused when it is for the other region, beside the same for the caller's own. Each is one
// that the first server lets the caller make, so that it is the other region which refuses.
func rightsEnd(id, title string, b between, call probe.Call, caller probe.Caller) posture.Spec {
	return posture.Spec{
		ID: id, Title: title, Severity: posture.Critical,
		Why: "tls.verify_server_hostname: of a call that was passed on the other region sees the certificate of the server that did so " +
			"(nomad/auth/auth.go; verified against Nomad 1.11.3)",
		Probe: probe.RPCCall(call.In(b.other), caller), Want: posture.Want{probe.Denied}, Answer: "Permission denied",
		Control: probe.RPCCall(call.In(b.own), caller),
	}
}

func rootKey(b between) posture.Spec {
	return rightsEnd("servers-get-no-root-keys-of-another-region", "a server gets root keys of its own region alone", b, probe.GetNoKey(), b.server)
}

func evaluation(b between) posture.Spec {
	return rightsEnd("servers-get-no-evaluations-of-another-region", "a server gets evaluations of its own region alone", b, probe.DequeueNothing(), b.server)
}

// registration is passed on before anybody looks at the client's certificate (nomad/node_endpoint.go:97).
func registration(b between) posture.Spec {
	return rightsEnd("clients-register-in-no-other-region", "a client registers in its own region alone", b, probe.RegisterNothing(), b.client)
}
