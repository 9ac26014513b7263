package scenarios

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
)

// leafRenewal proves that certificates are renewed on a running cluster without losing work.
func leafRenewal() scenario.Scenario {
	return scenario.Scenario{
		Name:  "certificates-are-renewed-while-work-runs",
		Claim: "A reload gives an agent a new certificate, at the same path or at a new one; nothing that runs on the cluster is lost.",
		Spec:  changeSpec(),
		Steps: func() []scenario.Step { return (&renewal{}).steps() },
	}
}

// renewal is what the steps share.
type renewal struct {
	change
	// edit changes each plan before it is carried out. Nil: it stays as it is.
	edit func(*rollout.Plan)
}

func (r *renewal) steps() []scenario.Step {
	return []scenario.Step{
		r.begin(),
		{Title: "One server's certificate is renewed; the connections that callers hold to it go on or end as they should", Do: r.renewOne},
		{Title: "All nodes are renewed one after another, at the same paths", Do: r.renewed(func(_ context.Context, nodes []*lab.Node, fresh map[string]pki.Credential) (rollout.Plan, error) {
			return rollout.Renew(nodes, fresh)
		})},
		{Title: "All nodes are renewed one after another, in files of new names", Do: r.renewed(rollout.RenewAtNewPaths)},
		r.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// renewed returns the action that renews all nodes by the plan, and demands that each serves its new certificate and no other
// one than before is served in between.
func (r *renewal) renewed(plan func(context.Context, []*lab.Node, map[string]pki.Credential) (rollout.Plan, error)) action {
	return func(ctx context.Context, t *scenario.T) error {
		nodes, err := inOrder(ctx, t.Lab)
		if err != nil {
			return err
		}
		return r.renew(ctx, t, nodes, plan)
	}
}

// renew renews those nodes, and demands that exactly they serve another certificate afterwards: their new one.
func (r *renewal) renew(ctx context.Context, t *scenario.T, nodes []*lab.Node, plan func(context.Context, []*lab.Node, map[string]pki.Credential) (rollout.Plan, error)) error {
	fresh, err := rollout.Issue(t.Lab.Authority(), nodes)
	if err != nil {
		return err
	}
	was, err := certificatesOf(ctx, rollout.Members(t.Lab))
	if err != nil {
		return err
	}
	if err := r.roll(ctx, t, func(ctx context.Context, _ *lab.Lab) (rollout.Plan, error) {
		p, err := plan(ctx, nodes, fresh)
		if err == nil && r.edit != nil {
			r.edit(&p)
		}
		return p, err
	}); err != nil {
		return err
	}
	now, err := certificatesOf(ctx, rollout.Members(t.Lab))
	if err != nil {
		return err
	}
	for name, c := range fresh {
		leaf, err := c.Leaf()
		if err != nil {
			return err
		}
		was[name] = leaf
	}
	return sameCertificates(was, now)
}

// inOrder returns the lab's servers and clients in the order in which a rollout changes them.
func inOrder(ctx context.Context, l *lab.Lab) ([]*lab.Node, error) {
	leader, err := l.Leader(ctx, "")
	if err != nil {
		return nil, err
	}
	return rollout.Order(rollout.Members(l), leader.Name()), nil
}

// certificatesOf returns the certificate that each node serves at its HTTP port, by the node's name.
func certificatesOf(ctx context.Context, nodes []*lab.Node) (map[string]*x509.Certificate, error) {
	all := map[string]*x509.Certificate{}
	for _, n := range nodes {
		c, err := n.Certificate(ctx)
		if err != nil {
			return nil, err
		}
		all[n.Name()] = c
	}
	return all, nil
}

// sameCertificates returns an error for each node that serves another certificate than the one that is wanted.
func sameCertificates(want, served map[string]*x509.Certificate) error {
	var wrong []error
	for name, c := range served {
		if !c.Equal(want[name]) {
			wrong = append(wrong, fmt.Errorf("%s serves the certificate %x, want %x", name, c.SerialNumber, want[name].SerialNumber))
		}
	}
	return errors.Join(wrong...)
}

// renewOne renews a follower while connections to it, and to another server, are held.
func (r *renewal) renewOne(ctx context.Context, t *scenario.T) error {
	nodes, err := inOrder(ctx, t.Lab)
	if err != nil {
		return err
	}
	held, err := hold(ctx, t, nodes[:2], probe.Health())
	if err != nil {
		return err
	}
	if err := r.renew(ctx, t, nodes[:1], func(_ context.Context, nodes []*lab.Node, fresh map[string]pki.Credential) (rollout.Plan, error) {
		return rollout.Renew(nodes, fresh)
	}); err != nil {
		return err
	}
	return held.demand(ctx, t, nodes[0])
}

// heldConnections are connections to servers that were opened before a change, by the server's name.
type heldConnections struct {
	https, rpc map[string]*probe.OpenConnection
}

// hold opens a connection to each server's HTTP port, over which the request is sent, and one to its RPC port. They are closed
// when the scenario ends.
func hold(ctx context.Context, t *scenario.T, servers []*lab.Node, a probe.Request) (heldConnections, error) {
	h := heldConnections{map[string]*probe.OpenConnection{}, map[string]*probe.OpenConnection{}}
	as, err := as(t.Lab, pki.Server, pki.DefaultRegion)
	if err != nil {
		return h, err
	}
	for _, n := range servers {
		at := inspect.Target(n)
		https, o := probe.HoldHTTPS(ctx, at, a, as)
		if https == nil {
			return h, fmt.Errorf("open a connection to the HTTP port of %s: %s (%s)", n.Name(), o.Received, o.Outcome)
		}
		t.Cleanup(https.Close)
		rpc, o := probe.HoldRPC(ctx, at, as)
		if rpc == nil {
			return h, fmt.Errorf("open a connection to the RPC port of %s: %s (%s)", n.Name(), o.Received, o.Outcome)
		}
		t.Cleanup(rpc.Close)
		h.https[n.Name()], h.rpc[n.Name()] = https, rpc
	}
	return h, nil
}

// demand demands of the held connections what Nomad does on a reload with a new certificate: an HTTPS connection goes on; an RPC
// connection ends, after one more answer at most (nomad/rpc.go, handleNomadConn; verified against 1.11.3). Those to a server that
// was not reloaded all go on: else something other than the reload has ended them.
func (h heldConnections) demand(ctx context.Context, t *scenario.T, reloaded *lab.Node) error {
	var wrong []error
	for name, c := range h.https {
		if o := c.Ask(ctx); o.Outcome != probe.Accepted {
			wrong = append(wrong, fmt.Errorf("the HTTPS connection that was held to %s: %s (%s), want an answer", name, o.Received, o.Outcome))
		}
	}
	for name, c := range h.rpc {
		answers, last := answered(ctx, c)
		switch {
		case name == reloaded.Name() && last.Outcome != probe.RefusedAfterHandshake:
			wrong = append(wrong, fmt.Errorf("the RPC connection that was held to %s, which was reloaded, had %d answers, and then: %s (%s)",
				name, answers, last.Received, last.Outcome))
		case name != reloaded.Name() && last.Outcome != probe.Accepted:
			wrong = append(wrong, fmt.Errorf("the RPC connection that was held to %s, which was not reloaded: %s (%s)", name, last.Received, last.Outcome))
		case name == reloaded.Name():
			t.Say("%s: the HTTPS connection that was held goes on; the RPC connection had %d more answers, and was closed", name, answers)
		}
	}
	return errors.Join(wrong...)
}

// answered makes up to two calls over a held connection, and returns how many were answered, and the last observation.
func answered(ctx context.Context, c *probe.OpenConnection) (answers int, last probe.Observation) {
	for range 2 {
		if last = c.Ask(ctx); last.Outcome != probe.Accepted {
			return answers, last
		}
		answers++
	}
	return answers, last
}
