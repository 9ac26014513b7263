package scenarios

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
)

// gossipKeys proves that the gossip key of a running cluster is replaced without touching an agent, and that its file alone
// changes nothing.
func gossipKeys() scenario.Scenario {
	return scenario.Scenario{
		Name:  "the-gossip-key-is-replaced-while-work-runs",
		Claim: "A new gossip key is installed, used, and the old one removed, by calls alone, whatever the size of the key; a key that is changed in a server's file alone changes nothing, not even at a restart. Nothing that runs is lost.",
		Spec:  changeSpec(),
		Steps: func() []scenario.Step { return (&gossipRotation{}).steps() },
	}
}

// gossipRotation is what the steps share.
type gossipRotation struct {
	change
	// edit changes each plan before it is carried out. Nil: it stays as it is.
	edit func(*rollout.Plan)

	// old are the keys that are not used any more.
	old []string
}

// errNoRotation is the error of a step that needs what the step before did not do.
var errNoRotation = errors.New("the gossip key was not replaced: see the step that does it")

func (g *gossipRotation) steps() []scenario.Step {
	return []scenario.Step{
		g.begin(),
		{Title: "Another key is written into a server's file: neither a reload nor a restart has the server use it", Do: g.fileOnly},
		{Title: "The key is replaced by one of 16 bytes, one of 24 and one of 32: installed, used, the old one removed", Do: g.rotate},
		{Title: "Each server answers a ping with the new key, and none with a key of before", Do: g.answers},
		g.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// newGossipKey returns a gossip key of that many bytes, in base64.
func newGossipKey(bytes int) (string, error) {
	secret := make([]byte, bytes)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("make a gossip key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(secret), nil
}

// gossipFile returns a step that writes a gossip key into the server's file.
func gossipFile(n *lab.Node, key string, effect rollout.Effect) rollout.Step {
	s := rollout.Step{Node: n.Name(), Title: "write another gossip key into its file, and " + string(effect), Effect: effect, Await: rollout.Settled(n)}
	for _, f := range n.Plan().Files {
		if f.Secret == plan.Gossip {
			s.Files = append(s.Files, rollout.File{Path: f.Path, Mode: f.Mode, What: "gossip key", Data: agentconf.Gossip(key)})
		}
	}
	return s
}

// fileOnly changes the key in the file of a server alone, has the server read it, and takes it back.
func (g *gossipRotation) fileOnly(ctx context.Context, t *scenario.T) error {
	if g.work == nil {
		return errNoWork
	}
	other, err := newGossipKey(32) //nolint:mnd // bytes, as nomad operator gossip keyring generate makes them
	if err != nil {
		return err
	}
	nodes, err := inOrder(ctx, t.Lab)
	if err != nil {
		return err
	}
	n := nodes[0]
	mark, err := n.Log().Mark()
	if err != nil {
		return err
	}
	for _, effect := range []rollout.Effect{rollout.Reload, rollout.Restart} {
		if err := g.through(ctx, t, rollout.Plan{Title: string(effect) + " " + n.Name() + " with another key in its file", Steps: []rollout.Step{gossipFile(n, other, effect)}}); err != nil {
			return err
		}
		if err := g.pings(ctx, t, "after-"+string(effect), n, t.Lab.GossipKey(), other); err != nil {
			return err
		}
	}
	if err := poll.Until(ctx, n.Name()+" to log that it uses its keyring", func(context.Context) string {
		line := sinceMark(n, mark, "keyring exists but -encrypt given, using keyring", "")
		if line == "" {
			return "it did not"
		}
		t.Say("%s", line)
		return ""
	}); err != nil {
		return err
	}
	return g.through(ctx, t, rollout.Plan{Title: "take the file back", Steps: []rollout.Step{gossipFile(n, t.Lab.GossipKey(), rollout.Nothing)}})
}

// rotate replaces the key once for each size.
func (g *gossipRotation) rotate(ctx context.Context, t *scenario.T) error {
	for _, size := range []int{16, 24, 32} {
		next, err := newGossipKey(size)
		if err != nil {
			return err
		}
		was := t.Lab.GossipKey()
		if err := g.roll(ctx, t, func(_ context.Context, l *lab.Lab) (rollout.Plan, error) {
			p, err := rollout.RotateGossip(l, next)
			p.Title = fmt.Sprintf("%s by one of %d bytes", p.Title, size)
			if err == nil && g.edit != nil {
				g.edit(&p)
			}
			return p, err
		}); err != nil {
			return err
		}
		g.old = append(g.old, was)
	}
	return nil
}

// answers checks each server with the new key and each key of before.
func (g *gossipRotation) answers(ctx context.Context, t *scenario.T) error {
	if len(g.old) == 0 {
		return errNoRotation
	}
	for i, old := range g.old {
		for _, n := range t.Lab.Servers() {
			if err := g.pings(ctx, t, fmt.Sprintf("key-%d", i+1), n, t.Lab.GossipKey(), old); err != nil {
				return err
			}
		}
	}
	return nil
}

// pings checks that the server does not understand the wrong key, and does understand the right one.
func (g *gossipRotation) pings(ctx context.Context, t *scenario.T, name string, n *lab.Node, right, wrong string) error {
	return check(ctx, t, n, posture.Spec{
		ID: "gossip-refuses-a-key-that-is-not-in-the-keyring-" + name, Title: "a gossip ping with a key that the server's keyring has not is refused", Severity: posture.Critical,
		Why:   "a server reads server.encrypt only as long as its data_dir has no keyring (command/agent/agent.go, setupKeyrings; verified against Nomad 1.11.3)",
		Probe: probe.GossipPing(probe.NewGossipKey(wrong, "another gossip key")), Want: posture.Want{probe.Denied},
		Control: probe.GossipPing(probe.NewGossipKey(right, "the gossip key")), Settings: []string{"server.encrypt"},
	})
}
