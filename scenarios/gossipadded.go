package scenarios

import (
	"context"
	"errors"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// gossipAdded proves in which order gossip encryption comes to a cluster without.
func gossipAdded() scenario.Scenario {
	return scenario.Scenario{
		Name:  "gossip-encryption-is-added-while-work-runs",
		Claim: "The servers of a cluster without gossip encryption restart with a key, the leader last; until then those with the key and those without do not know each other, and the leader is told to remove none of them. Nothing that runs is lost.",
		Spec:  changeSpecWith(withoutGossipKey()),
		Steps: func() []scenario.Step { return (&gossipAddition{}).steps() },
	}
}

// withoutGossipKey leaves servers without a gossip key.
func withoutGossipKey() spec.Override { return spec.Override{Path: "server.encrypt"} }

// gossipAddition is what the steps share.
type gossipAddition struct {
	change
	// edit changes the plan before it is carried out. Nil: it stays as it is.
	edit func(*rollout.Plan)

	key string
}

// errNoKey is the error of a step that needs the key that the step before did not give the servers.
var errNoKey = errors.New("the servers got no gossip key: see the step that does it")

// gossipInClear is the stage in which servers have no gossip key.
const gossipInClear stage = "gossip in clear, before"

func (g *gossipAddition) steps() []scenario.Step {
	g.open = func(at stage) []string {
		if at == gossipInClear {
			return []string{"gossip-refuses-no-key"}
		}
		return nil
	}
	return []scenario.Step{
		{Title: "The servers answer every caller that gossips with them, and work runs on the cluster", Do: g.beginAt(gossipInClear)},
		{Title: "One server after another restarts with the key, the leader last", Do: g.add},
		{Title: "Each server refuses a ping without the key, and answers one with it", Do: g.refuses},
		g.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// add gives the servers the key.
func (g *gossipAddition) add(ctx context.Context, t *scenario.T) error {
	if g.work == nil {
		return errNoWork
	}
	key, err := newGossipKey(32) //nolint:mnd // bytes, as nomad operator gossip keyring generate makes them
	if err != nil {
		return err
	}
	p, err := rollout.AddGossip(ctx, t.Lab, rollout.Target{Title: "encrypt gossip", Spec: changeSpecWith(silentClients(usualGrace)), GossipKey: key})
	if err != nil {
		return err
	}
	if g.edit != nil {
		g.edit(&p)
	}
	if err := g.through(ctx, t, p); err != nil {
		return err
	}
	g.key = key
	return nil
}

func (g *gossipAddition) refuses(ctx context.Context, t *scenario.T) error {
	if g.key == "" {
		return errNoKey
	}
	for _, n := range t.Lab.Servers() {
		if err := check(ctx, t, n, posture.Spec{
			ID: "gossip-refuses-a-ping-without-the-new-key", Title: "a gossip ping in clear is refused once the server has a key", Severity: posture.Critical,
			Why:   "server.encrypt is read at the start of a server whose data_dir has no keyring (verified against Nomad 1.11.3)",
			Probe: probe.GossipPing(probe.GossipKey{}), Want: posture.Want{probe.Denied},
			Control: probe.GossipPing(probe.NewGossipKey(g.key, "the new gossip key")), Settings: []string{"server.encrypt"},
		}); err != nil {
			return err
		}
	}
	return nil
}
