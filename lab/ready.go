package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
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

// Leader returns the leader that all running servers of the region agree on. The zero region is the lab's first. It
// returns an error while there is none, or while they do not agree.
func (l *Lab) Leader(ctx context.Context, region string) (*Node, error) {
	if region == "" {
		region = l.nodes[0].Region()
	}
	return l.leaderAsToldBy(ctx, region, l.running(region))
}

// leaderAsToldBy is Leader of a region, as those of its servers have it.
func (l *Lab) leaderAsToldBy(ctx context.Context, region string, servers []*Node) (*Node, error) {
	var leader *Node
	for _, n := range servers {
		c, err := n.API()
		if err != nil {
			return nil, err
		}
		var at string
		if _, err := c.Raw().Query("/v1/status/leader", &at, query(ctx)); err != nil {
			return nil, fmt.Errorf("ask %s for the leader: %w", n.ref(), err)
		}
		named := l.atRPC(at)
		if named == nil {
			return nil, fmt.Errorf("%s names no leader (%q)", n.ref(), at)
		}
		if !named.HTTP().IsValid() {
			return nil, fmt.Errorf("%s still names %s, which does not run", n.ref(), named.Name())
		}
		if leader != nil && leader != named {
			return nil, fmt.Errorf("%s names %s as the leader, another server %s", n.ref(), named.Name(), leader.Name())
		}
		leader = named
	}
	if leader == nil {
		return nil, fmt.Errorf("no server of region %s runs", region)
	}
	return leader, nil
}

// WaitLeader waits until the servers of every region have agreed on a leader.
func (l *Lab) WaitLeader(ctx context.Context) error {
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return poll.Until(ctx, "a leader in region "+region, func(ctx context.Context) string {
			_, err := l.Leader(ctx, region)
			return text(err)
		})
	})
}

// waitElected waits until clients may be started: until a leader has been elected in every region and, where they start at
// once, has made its root key.
func (l *Lab) waitElected(ctx context.Context) error {
	what, seen := "a leader with a root key in region ", (*Node).hasRootKey
	if l.Contained() || l.record.Plan.Hardened { // a hardened lab lists its keys to nobody yet
		what, seen = "a leader in region ", (*Node).namesLeader
	}
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return poll.Until(ctx, what+region, func(ctx context.Context) string {
			var errs []error
			for _, n := range l.running(region) { // the leader is the first to know
				err := seen(n, ctx)
				if err == nil {
					return ""
				}
				errs = append(errs, err)
			}
			return text(errors.Join(errs...))
		})
	})
}

// WaitReady waits until every region has one leader that all servers agree on, each of its running servers is a voter,
// its keyring can encrypt, each of its running clients is ready, and every agent says that it is healthy. Extra nodes do not
// count. Where the ACL system is not bootstrapped, agents say no more than who leads and whether they are healthy.
func (l *Lab) WaitReady(ctx context.Context) error {
	if err := l.WaitLeader(ctx); err != nil {
		return err
	}
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return poll.Until(ctx, "region "+region+" to be ready", func(ctx context.Context) string {
			// Clients are what is mostly waited for; every further question costs them time on a small machine.
			for _, fulfilled := range l.conditions() {
				if err := fulfilled(ctx, region); err != nil {
					return text(err)
				}
			}
			return ""
		})
	})
}

func (l *Lab) conditions() []func(context.Context, string) error {
	if l.record.Plan.NotBootstrapped {
		return []func(context.Context, string) error{l.healthIn}
	}
	return []func(context.Context, string) error{l.clientsIn, l.votersIn, l.keyringIn, l.healthIn}
}

// running are the servers of the region that had an address when they were last looked at.
func (l *Lab) running(region string) []*Node { return membersOf(region, l.Servers()) }

// atRPC returns the server whose RPC address that is.
func (l *Lab) atRPC(address string) *Node {
	for _, n := range l.nodes {
		if n.Role() == pki.Server && address == n.Advertised().String() {
			return n
		}
	}
	return nil
}

// ask is the API of one of the region's running servers.
func (l *Lab) ask(region string) (*api.Client, error) {
	servers := l.running(region)
	if len(servers) == 0 {
		return nil, fmt.Errorf("no server of region %s runs", region)
	}
	return servers[0].API()
}

func (l *Lab) eachRegion(ctx context.Context, do func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, region := range l.regions() {
		g.Go(func() error { return do(ctx, region) })
	}
	return g.Wait()
}

func (l *Lab) regions() []string {
	var out []string
	for _, n := range l.nodes {
		if !slices.Contains(out, n.Region()) {
			out = append(out, n.Region())
		}
	}
	return out
}

func query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{AllowStale: true}).WithContext(ctx)
}

func write(ctx context.Context) *api.WriteOptions { return new(api.WriteOptions).WithContext(ctx) }

// patience is how long a single question to an agent that may hang may take: see deadline.Fair.
const patience = 2 * time.Second

// text is an error in one line, or "".
func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
