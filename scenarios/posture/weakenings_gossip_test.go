package posture_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/posture/catalogue"
)

// shortGossipKey is one of 16 bytes that no check tries.
const shortGossipKey = "c2l4dGVlbiBieXRlcyAuLg=="

// weakenedGossip are the keys of gossip: none at all, or one more.
func weakenedGossip() []weakening {
	return []weakening{
		{
			id: "no-gossip-key", line: "no `server.encrypt`",
			spec:   []lab.Option{lab.Weaken(lab.NoGossipKey)},
			breaks: []string{"gossip-refuses-no-key", "wire-carries-no-gossip-in-clear"},
		},
		installed("documented-gossip-key", "the gossip key of the documentation", catalogue.DocumentedGossipKey,
			"gossip-refuses-documented-key", "gossip-ring-has-one-key"),
		installed("old-documented-gossip-key", "the gossip key of the old documentation", catalogue.OldDocumentedGossipKey,
			"gossip-refuses-old-documented-key", "gossip-ring-has-one-key", "gossip-keys-have-32-bytes"),
		installed("tutorial-gossip-key", "the gossip key of a tutorial", catalogue.TutorialGossipKey,
			"gossip-refuses-tutorial-key", "gossip-ring-has-one-key"),
		installed("typed-gossip-key", "a gossip key that instructions show", catalogue.TypedGossipKey,
			"gossip-refuses-typed-key", "gossip-ring-has-one-key", "gossip-keys-have-32-bytes"),
		installed("drawn-gossip-key", "another gossip key that instructions show", catalogue.DrawnGossipKey,
			"gossip-refuses-drawn-key", "gossip-ring-has-one-key", "gossip-keys-have-32-bytes"),
		installed("gossip-key-of-zeros", "a gossip key of zeros", catalogue.ZeroGossipKey,
			"gossip-refuses-key-of-zeros", "gossip-ring-has-one-key"),
		installed("short-gossip-key", "another gossip key of 16 bytes", shortGossipKey,
			"gossip-ring-has-one-key", "gossip-keys-have-32-bytes"),
	}
}

// installed is a weakening of a running lab by one more gossip key, which every server keeps.
func installed(id, title, key string, breaks ...string) weakening {
	return weakening{
		id: id, line: fmt.Sprintf("`nomad operator gossip keyring install` of %s", title),
		after: func(_ context.Context, l *lab.Lab) error {
			return ring(l, "install", title, func(a *api.Agent) (*api.KeyringResponse, error) { return a.InstallKey(key) })
		},
		breaks: breaks,
	}
}

// ring changes the servers' gossip keyring. Nomad answers when every server has done so, and fails unless all have
// (command/agent/agent_endpoint.go, KeyringOperationRequest; serf's KeyManager).
func ring(l *lab.Lab, does, title string, change func(*api.Agent) (*api.KeyringResponse, error)) error {
	client, err := l.Servers()[0].API()
	if err != nil {
		return err
	}
	answer, err := change(client.Agent())
	if err != nil {
		return fmt.Errorf("%s %s: %w", does, title, err)
	}
	if answer.NumNodes != len(l.Servers()) {
		return errors.New("not every server has answered")
	}
	return nil
}
