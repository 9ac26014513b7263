package lab

import (
	"cmp"
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

// answerTimeout is how long an agent that may hang has to answer one request; see deadline.Fair.
const answerTimeout = 2 * time.Second

// parallelRequests is how many nodes are asked at the same time.
const parallelRequests = 8

// region is one Nomad region of a lab: its nodes in the order of the plan, extra ones included.
type region struct {
	name  string
	nodes []*Node
}

func (l *Lab) region(name string) region {
	return region{name, slices.DeleteFunc(slices.Clone(l.nodes), func(n *Node) bool { return n.Region() != name })}
}

// regions returns the lab's regions in the order of the plan.
func (l *Lab) regions() []region {
	var out []region
	for _, n := range l.nodes {
		if !slices.ContainsFunc(out, func(r region) bool { return r.name == n.Region() }) {
			out = append(out, l.region(n.Region()))
		}
	}
	return out
}

// inRegions calls do for all regions side by side and returns the first error.
func (l *Lab) inRegions(ctx context.Context, do func(context.Context, region) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range l.regions() {
		g.Go(func() error { return do(ctx, r) })
	}
	return g.Wait()
}

// Leader returns the leader that all running servers of the region agree on. The empty region is the lab's first. Leader
// returns an error while the servers know no leader or do not agree.
func (l *Lab) Leader(ctx context.Context, region string) (*Node, error) {
	r := l.region(cmp.Or(region, l.nodes[0].Region()))
	return r.leader(ctx, r.servers())
}

// WaitLeader waits until the servers of every region have agreed on a leader.
func (l *Lab) WaitLeader(ctx context.Context) error {
	return l.inRegions(ctx, func(ctx context.Context, r region) error {
		return poll.Until(ctx, "a leader in region "+r.name, func(ctx context.Context) string {
			_, err := r.leader(ctx, r.servers())
			return oneLine(err)
		})
	})
}

// WaitReady waits until the lab is ready: all servers of a region agree on one leader, each running server is a voter, the
// keyring can encrypt, each running client is ready, and each agent is healthy. Extra nodes do not count. Where the ACL
// system is not bootstrapped, agents answer only who leads and whether they are healthy.
func (l *Lab) WaitReady(ctx context.Context) error {
	if err := l.WaitLeader(ctx); err != nil {
		return err
	}
	return l.inRegions(ctx, func(ctx context.Context, r region) error {
		return poll.Until(ctx, "region "+r.name+" to be ready", func(ctx context.Context) string {
			return oneLine(l.regionReady(ctx, r))
		})
	})
}

// Ready returns an error, which says what is missing, unless the lab is ready now: see WaitReady.
func (l *Lab) Ready(ctx context.Context) error {
	return l.inRegions(ctx, func(ctx context.Context, r region) error {
		if _, err := r.leader(ctx, r.servers()); err != nil {
			return err
		}
		return l.regionReady(ctx, r)
	})
}

// regionReady returns an error unless the region is ready, its leader apart.
func (l *Lab) regionReady(ctx context.Context, r region) error {
	// Clients take the longest. Every further request costs them time on a small machine.
	conditions := []func(region, context.Context) error{region.clientsReady, region.serversVote, region.rootKeys, region.healthy}
	if l.Plan().NotBootstrapped {
		conditions = []func(region, context.Context) error{region.healthy}
	}
	for _, fulfilled := range conditions {
		if err := fulfilled(r, ctx); err != nil {
			return err
		}
	}
	return nil
}

// ClientReady returns an error unless the servers of the client's region have it as ready now and reach it. A client that does not
// run is not ready. It may be an extra node.
func (n *Node) ClientReady(ctx context.Context) error {
	if n.Role() != pki.Client || !n.HTTP().IsValid() {
		return fmt.Errorf("%s is no client that runs", n.ref())
	}
	return n.lab.region(n.Region()).ready(ctx, []*Node{n})
}

// waitElected waits until clients may be started: every region has elected a leader and, on an engine without containers,
// the leader has made its root key.
func (l *Lab) waitElected(ctx context.Context) error {
	what, condition := "a leader with a root key in region ", (*Node).hasRootKey
	if l.Contained() || l.Plan().Hardened { // a hardened lab lists its keys to no caller yet
		what, condition = "a leader in region ", (*Node).knowsLeader
	}
	return l.inRegions(ctx, func(ctx context.Context, r region) error {
		return poll.Until(ctx, what+r.name, func(ctx context.Context) string {
			var errs []error
			for _, n := range r.servers() { // the leader is the first to know
				err := condition(n, ctx)
				if err == nil {
					return ""
				}
				errs = append(errs, err)
			}
			return oneLine(errors.Join(errs...))
		})
	})
}

// servers returns the region's running servers.
func (r region) servers() []*Node { return running(members(r.nodes, pki.Server)) }

// clients returns the region's running clients.
func (r region) clients() []*Node { return running(members(r.nodes, pki.Client)) }

// api returns the API client of one of the region's running servers.
func (r region) api() (*api.Client, error) {
	servers := r.servers()
	if len(servers) == 0 {
		return nil, fmt.Errorf("no server of region %s runs", r.name)
	}
	return servers[0].API()
}

// serverAt returns the server that advertises the RPC address, or nil.
func (r region) serverAt(address string) *Node {
	for _, n := range r.nodes {
		if n.Role() == pki.Server && address == n.Advertised().String() {
			return n
		}
	}
	return nil
}

// leader returns the leader that the given servers of the region agree on.
func (r region) leader(ctx context.Context, servers []*Node) (*Node, error) {
	var leader *Node
	for _, n := range servers {
		at, err := n.leaderAddress(ctx)
		if err != nil {
			return nil, err
		}
		named := r.serverAt(at)
		switch {
		case named == nil:
			return nil, fmt.Errorf("%s names no leader (%q)", n.ref(), at)
		case !named.HTTP().IsValid():
			return nil, fmt.Errorf("%s still names %s, which does not run", n.ref(), named.Name())
		case leader != nil && leader != named:
			return nil, fmt.Errorf("%s names %s as the leader, another server %s", n.ref(), named.Name(), leader.Name())
		}
		leader = named
	}
	if leader == nil {
		return nil, fmt.Errorf("no server of region %s runs", r.name)
	}
	return leader, nil
}

// clientsReady returns an error unless every running client is ready.
func (r region) clientsReady(ctx context.Context) error { return r.ready(ctx, r.clients()) }

// ready returns an error unless each of the clients is ready.
func (r region) ready(ctx context.Context, clients []*Node) error {
	c, err := r.api()
	if err != nil {
		return err
	}
	nodes, _, err := c.Nodes().List(query(ctx))
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	ready, status := map[string]string{}, map[string]string{}
	// A client that has lost its data_dir registers as another node of the same name. The newest one counts.
	slices.SortFunc(nodes, func(a, b *api.NodeListStub) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
	for _, n := range nodes {
		status[n.Name] = n.Status
		if n.Status == api.NodeStatusReady {
			ready[n.Name] = n.ID
		}
	}
	if err := eachNode(clients, func(n *Node) error { return n.checkStatus(ctx, status[n.Name()]) }); err != nil {
		return err
	}
	// The status may be that of an earlier start: a new leader gives every node that it finds five minutes
	// (nomad/heartbeat.go:86). Only the running client itself can answer a request for its statistics.
	return eachNode(clients, func(n *Node) error {
		if _, err := c.Nodes().Stats(ready[n.Name()], query(ctx)); err != nil {
			return fmt.Errorf("%s does not answer through its servers yet: %w", n.Name(), err)
		}
		return nil
	})
}

// serversVote returns an error unless every running server is a voter.
func (r region) serversVote(ctx context.Context) error {
	c, err := r.api()
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
	for _, n := range r.servers() {
		if !voters[n.Advertised().String()] {
			return fmt.Errorf("%s is no voter yet", n.Name())
		}
	}
	return nil
}

// rootKeys returns an error unless every running server has the root key. The leader makes it shortly after its election;
// until then the write of a variable fails with "keyring has not been initialized yet" (verified against Nomad 1.11.3).
func (r region) rootKeys(ctx context.Context) error {
	for _, n := range r.servers() {
		if err := n.hasRootKey(ctx); err != nil {
			return err
		}
	}
	return nil
}

// healthy returns an error unless every running agent reports that it is healthy.
func (r region) healthy(ctx context.Context) error {
	return eachNode(append(r.servers(), r.clients()...), func(n *Node) error {
		return n.Healthy(ctx)
	})
}

// leaderAddress returns the RPC address of the leader that the agent knows; empty if it knows none.
func (n *Node) leaderAddress(ctx context.Context) (at string, err error) {
	err = n.get(ctx, "/v1/status/leader", &at)
	return at, err
}

// knowsLeader returns an error unless the server knows a leader.
func (n *Node) knowsLeader(ctx context.Context) error {
	at, err := n.leaderAddress(ctx)
	if err == nil && at == "" {
		err = fmt.Errorf("%s names no leader", n.Name())
	}
	return err
}

// hasRootKey returns an error unless the server has an active root key.
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

// checkStatus returns an error unless the status is that of a ready client. A client that is registered but not ready gets
// a request that it must forward to its servers. When they answer, it sends the first heartbeat, which makes it ready, at
// once instead of after up to ten seconds (client/client.go:1889 and :1894, client/rpc.go:111).
func (n *Node) checkStatus(ctx context.Context, status string) error {
	switch status {
	case api.NodeStatusReady:
		return nil
	case api.NodeStatusInit:
		ctx, cancel := deadline.Fair(ctx, answerTimeout)
		defer cancel()
		_, _ = n.leaderAddress(ctx)
	}
	return fmt.Errorf("%s is not ready yet", n.Name())
}

// members returns the nodes of the role that are not extra ones.
func members(nodes []*Node, role pki.Role) []*Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *Node) bool { return n.plan().Role != role || n.plan().ExtraNode })
}

// running returns the nodes that had an address when they were last looked at.
func running(nodes []*Node) []*Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *Node) bool { return !n.HTTP().IsValid() })
}

// eachNode calls ask for all nodes, also after an error, and returns the first error.
func eachNode(nodes []*Node, ask func(*Node) error) error {
	var g errgroup.Group
	g.SetLimit(parallelRequests)
	for _, n := range nodes {
		g.Go(func() error { return ask(n) })
	}
	return g.Wait()
}

func query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{AllowStale: true}).WithContext(ctx)
}

func write(ctx context.Context) *api.WriteOptions { return new(api.WriteOptions).WithContext(ctx) }

// oneLine returns the text of an error in one line; empty for nil.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
