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

	"nomadlab.internal/lab/pki"
)

// tick is how often a condition is looked at: short beside an election, long beside an answer of the API.
const tick = 10 * time.Millisecond

// WaitFor looks at a condition until it holds or ctx ends. The condition returns "" when it holds, else what it saw;
// the error of a wait in vain says what was awaited and what was seen last.
func WaitFor(ctx context.Context, what string, condition func(context.Context) (seen string)) error {
	began, ticker := time.Now(), time.NewTicker(tick)
	defer ticker.Stop()
	last := "nothing yet"
	for {
		seen := condition(ctx)
		if seen == "" {
			return nil
		}
		if ctx.Err() == nil {
			last = seen // what a call says when its time is up tells nothing about the cluster
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s, last seen: %s: %w", time.Since(began).Round(10*time.Millisecond), what, last, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Leader returns the leader that all running servers of the region agree on. The zero region is the lab's first. It
// returns an error while there is none, or while they do not agree.
func (l *Lab) Leader(ctx context.Context, region string) (*Node, error) {
	if region == "" {
		region = l.nodes[0].Region()
	}
	var leader *Node
	for _, n := range l.running(region) {
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
		return WaitFor(ctx, "a leader in region "+region, func(ctx context.Context) string {
			_, err := l.Leader(ctx, region)
			return text(err)
		})
	})
}

// waitKeyring waits until a leader has been elected in every region and has made its root key.
func (l *Lab) waitKeyring(ctx context.Context) error {
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return WaitFor(ctx, "a leader with a root key in region "+region, func(ctx context.Context) string {
			return text(l.keyringIn(ctx, region))
		})
	})
}

// WaitReady waits until every region has one leader that all servers agree on, each of its running servers is a voter,
// its keyring can encrypt, each of its running clients is ready, and every agent says that it is healthy. Joiners do not
// count.
func (l *Lab) WaitReady(ctx context.Context) error {
	if err := l.WaitLeader(ctx); err != nil {
		return err
	}
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return WaitFor(ctx, "region "+region+" to be ready", func(ctx context.Context) string {
			return text(errors.Join(l.votersIn(ctx, region), l.keyringIn(ctx, region), l.clientsIn(ctx, region), l.healthIn(ctx, region)))
		})
	})
}

// running are the servers of the region that had an address when they were last looked at.
func (l *Lab) running(region string) []*Node {
	return slices.DeleteFunc(l.Servers(), func(n *Node) bool { return n.Region() != region || !n.HTTP().IsValid() })
}

// atRPC returns the server whose RPC address that is.
func (l *Lab) atRPC(address string) *Node {
	for _, n := range l.nodes {
		if n.Role() == pki.Server && address == fmt.Sprintf("%s:%d", n.Address(), RPCPort) {
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
		if !voters[fmt.Sprintf("%s:%d", n.Address(), RPCPort)] {
			return fmt.Errorf("%s is no voter yet", n.Name())
		}
	}
	return nil
}

// keyringIn sees to it that the leader has made the root key. It does so shortly after its election; until then writing
// a variable fails with "keyring has not been initialized yet" (verified against Nomad 1.11.3).
func (l *Lab) keyringIn(ctx context.Context, region string) error {
	c, err := l.ask(region)
	if err != nil {
		return err
	}
	keys, _, err := c.Keyring().List(query(ctx))
	if err != nil {
		return fmt.Errorf("list root keys: %w", err)
	}
	if !slices.ContainsFunc(keys, func(k *api.RootKeyMeta) bool { return k.State == api.RootKeyStateActive }) {
		return errors.New("the keyring has no active root key yet")
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
	ready := map[string]string{}
	for _, n := range nodes {
		if n.Status == api.NodeStatusReady {
			ready[n.Name] = n.ID
		}
	}
	for _, n := range l.Clients() {
		if n.Region() != region || !n.HTTP().IsValid() {
			continue
		}
		if ready[n.Name()] == "" {
			return fmt.Errorf("%s is not ready yet", n.Name())
		}
		// The status may be what an earlier start left: a new leader gives every node that it finds five minutes
		// (nomad/heartbeat.go:86). A question that only the client itself can answer tells the truth.
		if _, err := c.Nodes().Stats(ready[n.Name()], query(ctx)); err != nil {
			return fmt.Errorf("%s does not answer through its servers yet: %w", n.Name(), err)
		}
	}
	return nil
}

func (l *Lab) healthIn(ctx context.Context, region string) error {
	for _, n := range append(l.Servers(), l.Clients()...) {
		if n.Region() != region || !n.HTTP().IsValid() {
			continue
		}
		c, err := n.API()
		if err != nil {
			return err
		}
		if _, err := c.Raw().Query("/v1/agent/health", new(api.AgentHealthResponse), query(ctx)); err != nil {
			return fmt.Errorf("health of %s: %w", n.Name(), err)
		}
	}
	return nil
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

// patience bounds a single question to an agent that may hang.
const patience = 2 * time.Second

// text is an error in one line, or "".
func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
