package rollout

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/plan"
)

// RotateGossip returns the rollout that replaces the gossip key of a running cluster: the new key is installed on all servers,
// then used, then the old one is removed. No agent is touched. Last, the new key is written into the servers' files: a server
// reads the key of its files only as long as its data_dir has no keyring (command/agent/agent.go setupKeyrings), so the files are for a server
// that loses its data_dir.
func RotateGossip(l *lab.Lab, next string) (Plan, error) {
	old := l.GossipKey()
	if old == "" {
		return Plan{}, fmt.Errorf("lab %s has no gossip key to replace: its servers gossip in clear, or the key is not at hand", l.Name())
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
			Title: "remove the old gossip key from all servers", Effect: Nothing,
			Call:  Call{Do: keyring((*api.Agent).RemoveKey, old), Back: keyring((*api.Agent).InstallKey, old)},
			Await: []Await{HasGossipKey(old, false)},
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
