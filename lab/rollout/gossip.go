package rollout

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/plan"
)

// RotateGossip returns the rollout that replaces the gossip key of a running cluster: the new key is installed on all servers,
// then used, then every other is removed: the old one, and what a rotation that was killed has left. No agent is touched. Last, the new key is written into the servers' files: a server
// reads the key of its files only as long as its data_dir has no keyring (command/agent/agent.go setupKeyrings), so the files are for a server
// that loses its data_dir.
func RotateGossip(l *lab.Lab, next string) (Plan, error) {
	old := l.GossipKey()
	if old == "" {
		return Plan{}, fmt.Errorf("lab %s has no gossip key to replace: its servers gossip in clear, or the key is not at hand", l.Name())
	}
	if err := checkGossip(old, next); err != nil {
		return Plan{}, err
	}
	p := Plan{Title: "replace the gossip key", Steps: []Step{
		{
			Title: "install the new gossip key on all servers", Effect: Nothing,
			Call:  Call{Do: keyring((*api.Agent).InstallKey, next), Back: keyring((*api.Agent).RemoveKey, next)},
			Await: []Await{HasGossipKey(next, true)},
		},
		{
			Title: "use the new gossip key on all servers", Effect: Nothing,
			Call:   Call{Do: keyring((*api.Agent).UseKey, next), Back: keyring((*api.Agent).UseKey, old)},
			Access: lab.Access{GossipKey: &next},
			Await:  []Await{LeaderKnown("")},
		},
		{
			Title: "remove every other gossip key from all servers", Effect: Nothing,
			Call:  Call{Do: removeOthers(next), Back: keyring((*api.Agent).InstallKey, old)},
			Await: []Await{hasOnlyGossipKey(next)},
		},
	}}
	for _, n := range l.Servers() {
		for _, f := range n.Plan().Files {
			if f.Secret == plan.Gossip {
				p.Steps = append(p.Steps, Step{
					Node: n.Name(), Title: "write the new gossip key into its files", Effect: Nothing,
					Why:   "the running server has the key in its keyring; a reload does not read it",
					Files: []File{{Path: f.Path, Mode: f.Mode, What: "gossip key", Data: agentconf.Gossip(next)}},
				})
			}
		}
	}
	return p, nil
}

// checkGossip returns an error, without the key, for a key that servers would refuse, or have already: the rollout would end by
// removing it.
func checkGossip(old, next string) error {
	key, err := base64.StdEncoding.DecodeString(next)
	switch {
	case err != nil:
		return errors.New("the new gossip key is not base64: make one with `nomad operator gossip keyring generate`")
	case !slices.Contains([]int{16, 24, 32}, len(key)): // memberlist, ValidateKey
		return fmt.Errorf("the new gossip key has %d bytes, want 16, 24 or 32: make one with `nomad operator gossip keyring generate`", len(key))
	case next == old:
		return errors.New("the new gossip key is the one that the lab has")
	}
	return nil
}

// keyOperation is an operation on the keyring of gossip, which serf spreads to all servers.
type keyOperation func(a *api.Agent, key string) (*api.KeyringResponse, error)

// keyring returns the call of an operation at the leader. The call returns an error unless every server has carried it out: one that
// has not would be cut off by the next operation. No API says with which key a server encrypts, so the answer to "use" is all
// that there is.
func keyring(do keyOperation, key string) func(context.Context, *lab.Lab) error {
	return func(ctx context.Context, l *lab.Lab) error {
		server, err := l.Leader(ctx, "")
		if err != nil {
			return err
		}
		c, err := server.API()
		if err != nil {
			return err
		}
		r, err := do(c.Agent(), key)
		if err != nil {
			return fmt.Errorf("change the gossip keys at %s: %w", server.Name(), err)
		}
		if len(r.Messages) > 0 {
			return fmt.Errorf("change the gossip keys at %s: %d of %d servers answered with an error", server.Name(), len(r.Messages), r.NumNodes)
		}
		return nil
	}
}

// removeOthers returns the call that removes every key but that one.
func removeOthers(kept string) func(context.Context, *lab.Lab) error {
	return func(ctx context.Context, l *lab.Lab) error {
		others := map[string]bool{}
		err := eachKeyring(l, func(_ string, r *api.KeyringResponse) error {
			for key := range r.Keys {
				others[key] = key != kept
			}
			return nil
		})
		if err != nil {
			return err
		}
		for key, other := range others {
			if !other {
				continue
			}
			if err := keyring((*api.Agent).RemoveKey, key)(ctx, l); err != nil {
				return err
			}
		}
		return nil
	}
}

// hasOnlyGossipKey waits until every server has that key in its keyring, and no other.
func hasOnlyGossipKey(key string) Await {
	return Await{What: "every server has the new gossip key alone", Met: func(_ context.Context, l *lab.Lab) error {
		return eachKeyring(l, func(name string, r *api.KeyringResponse) error {
			if r.NumNodes < len(l.Servers()) || len(r.Keys) != 1 || r.Keys[key] != r.NumNodes {
				return fmt.Errorf("%s says that %d servers have %d keys, and %d of them the new one", name, r.NumNodes, len(r.Keys), r.Keys[key])
			}
			return nil
		})
	}}
}

// HasGossipKey waits until every server has the key in its keyring or, for has false, none has.
func HasGossipKey(key string, has bool) Await {
	what := "every server has the new gossip key"
	if !has {
		what = "no server has the old gossip key"
	}
	return Await{What: what, Met: func(_ context.Context, l *lab.Lab) error {
		return eachKeyring(l, func(name string, r *api.KeyringResponse) error {
			n := r.Keys[key]
			if r.NumNodes < len(l.Servers()) || has && n != r.NumNodes || !has && n != 0 {
				return fmt.Errorf("%s says that %d of %d servers have it", name, n, r.NumNodes)
			}
			return nil
		})
	}}
}

// eachKeyring asks every server for the keyring of all servers.
func eachKeyring(l *lab.Lab, judge func(name string, r *api.KeyringResponse) error) error {
	for _, n := range l.Servers() {
		c, err := n.API()
		if err != nil {
			return err
		}
		r, err := c.Agent().ListKeys()
		if err != nil {
			return fmt.Errorf("list the gossip keys at %s: %w", n.Name(), err)
		}
		if err := judge(n.Name(), r); err != nil {
			return err
		}
	}
	return nil
}

// AddGossip returns the rollout that gives servers without a gossip key one, as t.Spec and t.GossipKey say: one restart after
// another, the leader last. Nomad has no setting with which servers of the two kinds hear each other, so that servers with the
// key and servers without do not know each other until the last one has it: a server that does not know the leader answers
// "No cluster leader" to what it should forward (nomad/rpc.go, getLeader), while Raft, which has the addresses of its own, goes
// on. The leader takes servers that it does not hear for failed, and by default removes them from Raft
// (cleanup_dead_servers); so it is told to leave them alone meanwhile. t.Await and t.Choose are not used.
func AddGossip(ctx context.Context, l *lab.Lab, t Target) (Plan, error) {
	leader, err := l.Leader(ctx, "")
	if err != nil {
		return Plan{}, err
	}
	t.Nodes = Order(l.Servers(), leader.Name())
	t.Await = func(n *lab.Node) []Await {
		if n != leader {
			return []Await{Answers(n.Name()), Follows(n.Name()), LeaderAmong([]*lab.Node{leader})}
		}
		var all []Await
		for _, s := range t.Nodes {
			all = append(all, Settled(s)...)
		}
		return append(all, Encrypts(len(t.Nodes)))
	}
	t.Choose = func(*lab.Node, []Line, bool) (Effect, string) {
		return Restart, "server.encrypt: a reload does not read it"
	}
	p, err := Toward(ctx, l, t)
	if err != nil {
		return Plan{}, err
	}
	keep, clean := cleanup(false), cleanup(true)
	p.Steps = slices.Concat(
		[]Step{{Title: "have the leader remove no server that it does not hear", Effect: Nothing, Call: Call{Do: keep, Back: clean}}},
		p.Steps,
		[]Step{{Title: "have the leader remove dead servers again", Effect: Nothing, Call: Call{Do: clean, Back: keep}, Access: lab.Access{GossipKey: &t.GossipKey}}},
	)
	return p, nil
}

// cleanup returns the call that sets autopilot's cleanup_dead_servers.
func cleanup(on bool) func(context.Context, *lab.Lab) error {
	return func(ctx context.Context, l *lab.Lab) error {
		server, err := l.Leader(ctx, "")
		if err != nil {
			return err
		}
		c, err := server.API()
		if err != nil {
			return err
		}
		config, _, err := c.Operator().AutopilotGetConfiguration(new(api.QueryOptions).WithContext(ctx))
		if err != nil {
			return fmt.Errorf("ask %s for the configuration of autopilot: %w", server.Name(), err)
		}
		config.CleanupDeadServers = on
		if _, err := c.Operator().AutopilotSetConfiguration(config, new(api.WriteOptions).WithContext(ctx)); err != nil {
			return fmt.Errorf("change the configuration of autopilot at %s: %w", server.Name(), err)
		}
		return nil
	}
}

// Follows waits until the server was contacted by its leader since the wait began, by its own word. It need not know the leader
// by gossip.
func Follows(node string) Await {
	var since time.Time
	return Await{What: node + " follows the leader", Met: func(ctx context.Context, l *lab.Lab) error {
		if since.IsZero() {
			since = time.Now()
		}
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		self, err := selfOf(ctx, n)
		if err != nil {
			return err
		}
		if err := contactedSince(node, self, since); err != nil {
			return err
		}
		since = time.Time{}
		return nil
	}}
}

// Encrypts waits until each server has that many members of its region alive, and says that it encrypts what it gossips.
func Encrypts(servers int) Await {
	return Await{What: "the servers encrypt their gossip and know each other", Met: func(ctx context.Context, l *lab.Lab) error {
		for _, n := range l.Servers() {
			self, err := selfOf(ctx, n)
			if err != nil {
				return err
			}
			if says := self.Stats["serf"]["encrypted"]; says != "true" {
				return fmt.Errorf("%s says that serf.encrypted is %q", n.Name(), says)
			}
			c, err := n.API()
			if err != nil {
				return err
			}
			members, err := c.Agent().MembersOpts(new(api.QueryOptions).WithContext(ctx))
			if err != nil {
				return fmt.Errorf("ask %s for its members: %w", n.Name(), err)
			}
			alive := 0
			for _, m := range members.Members {
				if m.Status == "alive" {
					alive++
				}
			}
			if alive != servers {
				return fmt.Errorf("%s counts %d members alive, want %d", n.Name(), alive, servers)
			}
		}
		return nil
	}}
}
