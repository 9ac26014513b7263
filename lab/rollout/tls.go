package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// SwitchTLS returns the rollout that takes a running cluster from plaintext to TLS, or back, as t.Spec says: one server after
// another, the leader last, then the clients. Servers of the two kinds do not understand each other. So the cluster has no
// leader from the moment at which one more than half of the servers is needed on either side, until the new side elects one; and
// a client is out of touch from then until its own turn. It keeps its allocations only if it counts as alive that long:
// server.heartbeat_grace, or failover_heartbeat_ttl after the election (nomad/heartbeat.go), must be longer than what is left of
// the rollout. t.Await is not used: what is awaited depends on the place.
func SwitchTLS(ctx context.Context, l *lab.Lab, t Target) (Plan, error) {
	if t.Nodes == nil {
		leader, err := l.Leader(ctx, "")
		if err != nil {
			return Plan{}, err
		}
		t.Nodes = Order(Members(l), leader.Name())
	}
	var servers []*lab.Node
	for _, n := range t.Nodes {
		if n.Role() == pki.Server {
			servers = append(servers, n)
		}
	}
	t.Await = func(n *lab.Node) []Await {
		at := slices.Index(servers, n) + 1
		switch {
		case n.Role() == pki.Client:
			return Settled(n)
		case at == len(servers):
			var all []Await
			for _, s := range servers {
				all = append(all, Settled(s)...)
			}
			return all
		case at > len(servers)/2:
			return []Await{LeaderAmong(servers[:at])}
		default:
			return []Await{Answers(n.Name()), LeaderAmong(servers[at:])}
		}
	}
	return Toward(ctx, l, t)
}

// Answers waits until the agent answers at its HTTP port as the lab calls it, with or without a leader.
func Answers(node string) Await {
	return Await{What: node + " answers", Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		_, err = selfOf(ctx, n)
		return err
	}}
}

// selfOf returns what an agent says about itself. It can, without a leader.
func selfOf(ctx context.Context, n *lab.Node) (api.AgentSelf, error) {
	var self api.AgentSelf
	c, err := n.API()
	if err != nil {
		return self, err
	}
	if _, err := c.Raw().Query("/v1/agent/self", &self, new(api.QueryOptions).WithContext(ctx)); err != nil {
		return self, fmt.Errorf("ask %s about itself: %w", n.Name(), err)
	}
	return self, nil
}

// LeaderAmong waits until one of the servers leads by its own word, and the others name it as their leader. What servers outside
// say does not count.
func LeaderAmong(servers []*lab.Node) Await {
	names := make([]string, len(servers))
	for i, n := range servers {
		names[i] = n.Name()
	}
	return Await{What: fmt.Sprintf("one of %v leads them", names), Met: func(ctx context.Context, _ *lab.Lab) error {
		var leads *lab.Node
		for _, n := range servers {
			self, err := selfOf(ctx, n)
			if err != nil {
				return err
			}
			if self.Stats["raft"]["state"] == "Leader" {
				leads = n
			}
		}
		if leads == nil {
			return fmt.Errorf("none of %v leads", names)
		}
		var errs []error
		for _, n := range servers {
			errs = append(errs, hasLeader(ctx, n, leads))
		}
		return errors.Join(errs...)
	}}
}

// hasLeader returns an error unless the server has that leader.
func hasLeader(ctx context.Context, n, leader *lab.Node) error {
	self, err := selfOf(ctx, n)
	if err != nil {
		return err
	}
	if has := self.Stats["nomad"]["leader_addr"]; has != leader.Advertised().String() {
		return fmt.Errorf("%s has the leader %q, and %s leads", n.Name(), has, leader.Name())
	}
	return nil
}
