package lab

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
)

func (l *Lab) votersIn(ctx context.Context, region string) error {
	c, err := l.ask(region)
	if err != nil {
		return err
	}
	raft, err := c.Operator().RaftGetConfiguration(query(ctx))
	if err != nil {
		return fmt.Errorf("raft configuration: %w", err)
	}
	voters := map[string]bool{}
	for _, s := range raft.Servers {
		voters[s.Address] = s.Voter
	}
	for _, n := range l.running(region) {
		if !voters[n.Advertised().String()] {
			return fmt.Errorf("%s is no voter yet", n.Name())
		}
	}
	return nil
}

// keyringIn sees to it that the leader has made the root key. It does so shortly after its election; until then writing
// a variable fails with "keyring has not been initialized yet" (verified against Nomad 1.11.3).
func (l *Lab) keyringIn(ctx context.Context, region string) error {
	for _, n := range l.running(region) {
		if err := n.hasRootKey(ctx); err != nil {
			return err
		}
	}
	return nil
}

// namesLeader is an error unless the server knows of a leader.
func (n *Node) namesLeader(ctx context.Context) error {
	c, err := n.API()
	if err != nil {
		return err
	}
	var at string
	if _, err := c.Raw().Query("/v1/status/leader", &at, query(ctx)); err != nil {
		return fmt.Errorf("ask %s for the leader: %w", n.Name(), err)
	}
	if at == "" {
		return fmt.Errorf("%s names no leader", n.Name())
	}
	return nil
}

func (n *Node) hasRootKey(ctx context.Context) error {
	c, err := n.API()
	if err != nil {
		return err
	}
	keys, _, err := c.Keyring().List(query(ctx))
	if err != nil {
		return fmt.Errorf("list the root keys of %s: %w", n.Name(), err)
	}
	if !slices.ContainsFunc(keys, func(k *api.RootKeyMeta) bool { return k.State == api.RootKeyStateActive }) {
		return fmt.Errorf("the keyring of %s has no active root key yet", n.Name())
	}
	return nil
}

func (l *Lab) clientsIn(ctx context.Context, region string) error {
	c, err := l.ask(region)
	if err != nil {
		return err
	}
	nodes, _, err := c.Nodes().List(query(ctx))
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	ready, status := map[string]string{}, map[string]string{}
	for _, n := range nodes {
		status[n.Name] = n.Status
		if n.Status == api.NodeStatusReady {
			ready[n.Name] = n.ID
		}
	}
	members := membersOf(region, l.Clients())
	if err := eachNode(members, func(n *Node) error { return n.hasStatus(ctx, status[n.Name()]) }); err != nil {
		return err
	}
	// The status may be what an earlier start left: a new leader gives every node that it finds five minutes
	// (nomad/heartbeat.go:86). A question that only the client itself can answer tells the truth.
	return eachNode(members, func(n *Node) error {
		if _, err := c.Nodes().Stats(ready[n.Name()], query(ctx)); err != nil {
			return fmt.Errorf("%s does not answer through its servers yet: %w", n.Name(), err)
		}
		return nil
	})
}

// hasStatus is an error unless that is the status of a client that is ready. One that is registered and not ready yet is
// asked something that it must ask its servers. When they answer, it sends its first heartbeat, which makes it ready, at
// once instead of after up to ten seconds (client/client.go:1889 and :1894, client/rpc.go:111).
func (n *Node) hasStatus(ctx context.Context, status string) error {
	switch status {
	case api.NodeStatusReady:
		return nil
	case api.NodeStatusInit:
		if c, err := n.API(); err == nil {
			ctx, cancel := deadline.Fair(ctx, patience)
			defer cancel()
			_, _ = c.Raw().Query("/v1/status/leader", new(string), query(ctx))
		}
	}
	return fmt.Errorf("%s is not ready yet", n.Name())
}

func (l *Lab) healthIn(ctx context.Context, region string) error {
	return eachNode(membersOf(region, append(l.Servers(), l.Clients()...)), func(n *Node) error {
		c, err := n.API()
		if err != nil {
			return err
		}
		if _, err := c.Raw().Query("/v1/agent/health", new(api.AgentHealthResponse), query(ctx)); err != nil {
			return fmt.Errorf("health of %s: %w", n.Name(), err)
		}
		return nil
	})
}

// membersOf are the region's servers and clients that had an address when they were last looked at.
func membersOf(region string, nodes []*Node) []*Node {
	return slices.DeleteFunc(nodes, func(n *Node) bool { return n.Region() != region || !n.HTTP().IsValid() })
}

// atOnce is how many nodes are asked side by side.
const atOnce = 8

// eachNode asks all nodes, whatever comes of it, and returns the first error.
func eachNode(nodes []*Node, ask func(*Node) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, n := range nodes {
		g.Go(func() error { return ask(n) })
	}
	return g.Wait()
}
