package mutation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/catalogue"
)

// shortGossipKey has 16 bytes. No check tries it.
const shortGossipKey = "c2l4dGVlbiBieXRlcyAuLg=="

// gossipRows returns the mutations of the servers' gossip, and of how they find each other.
func gossipRows() []Mutation {
	noKey := setLine(pki.Server, "no-gossip-key", serverEncrypt, "")
	noKey.Change = "no server.encrypt"
	onAll := noKey
	onAll.ID, onAll.Scope = "no-gossip-key", Servers
	keyed := func(id, key string) Mutation {
		m := setLine(pki.Server, id, serverEncrypt, fmt.Sprintf("%q", key))
		m.ID, m.Scope = id, Servers
		m.Change = "another server.encrypt: " + id
		return m
	}
	other := setLine(pki.Server, "other-gossip-key", serverEncrypt, fmt.Sprintf("%q", catalogue.DocumentedGossipKey)).cutsOff()
	other.Change = "another server.encrypt than its peers'"
	eachAlone := setLine(pki.Server, "each-alone", serverExpect, "1")
	eachAlone.Scope, eachAlone.NoLeader, eachAlone.Checks = Servers, true, clusterChecks()
	eachAlone.Live = &Live{Do: awaitLeaders}
	begins := setLine(pki.Server, "begins-alone", serverExpect, "1")
	begins.Sharing = Alone
	all := []Mutation{
		onAll, noKey.cutsOff(), other,
		keyed("documented-gossip-key", catalogue.DocumentedGossipKey), keyed("short-gossip-key", shortGossipKey),
		eachAlone, begins, rogueServer(),
	}
	for _, k := range []struct{ id, title, key string }{
		{"documented-gossip-key", "the gossip key of the documentation", catalogue.DocumentedGossipKey},
		{"old-documented-gossip-key", "the gossip key of the old documentation", catalogue.OldDocumentedGossipKey},
		{"tutorial-gossip-key", "the gossip key of a tutorial", catalogue.TutorialGossipKey},
		{"typed-gossip-key", "a gossip key that instructions show", catalogue.TypedGossipKey},
		{"drawn-gossip-key", "another gossip key that instructions show", catalogue.DrawnGossipKey},
		{"gossip-key-of-zeros", "a gossip key of zeros", catalogue.ZeroGossipKey},
		{"short-gossip-key", "another gossip key of 16 bytes", shortGossipKey},
		{"public-gossip-key", "another gossip key of the documentation", "+p7iF56z0EWoSIvhpYHWXZrSAAtnjR9l6XHRzHqQKlg="},
	} {
		all = append(all, installed(k.id, k.title, k.key))
	}
	return all
}

// awaitLeaders waits until each server names a leader, if only itself.
func awaitLeaders(ctx context.Context, l *lab.Lab) error {
	return eachServer(l, func(n *lab.Node, server *api.Client) error {
		return poll.Until(ctx, n.Name()+" to name a leader", func(ctx context.Context) string {
			var leader string
			_, err := server.Raw().Query("/v1/status/leader", &leader, (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
			switch {
			case err != nil:
				return err.Error()
			case leader == "":
				return "it names nobody"
			default:
				return ""
			}
		})
	})
}

// installed returns a mutation of a running cluster by one more gossip key, which every server keeps beside the one
// in use.
func installed(id, title, key string) Mutation {
	return Mutation{
		ID: "installed-" + id, Scope: Cluster, Change: "nomad operator gossip keyring install of " + title, Checks: []string{"gossip"}, Turns: Keyring,
		Live: &Live{
			Do:   func(ctx context.Context, l *lab.Lab) error { return changeKeyring(ctx, l, "install", title, key) },
			Undo: func(ctx context.Context, l *lab.Lab) error { return changeKeyring(ctx, l, "remove", title, key) },
		},
	}
}

// changeKeyring installs a key in the servers' gossip keyring, or removes it. Nomad fails unless every server answers
// within 8 s, which is fixed (command/agent/agent_endpoint.go, KeyringOperationRequest; serf's KeyManager); a busy
// machine may lose a packet. The operation is then repeated, as a server that has already done it reports success.
func changeKeyring(ctx context.Context, l *lab.Lab, operation, title, key string) error {
	client, err := l.Servers()[0].API()
	if err != nil {
		return err
	}
	doing := operation + " " + title
	var refused error
	err = poll.Until(ctx, "all servers to "+doing, func(ctx context.Context) string {
		var answer api.KeyringResponse
		_, err := client.Raw().Write("/v1/agent/keyring/"+operation, api.KeyringRequest{Key: key}, &answer, new(api.WriteOptions).WithContext(ctx))
		switch {
		case err != nil && strings.Contains(err.Error(), "nodes reported success"):
			return err.Error()
		case err != nil:
			refused = fmt.Errorf("%s: %w", doing, err)
		case answer.NumNodes != len(l.Servers()):
			return fmt.Sprintf("gossip has %d members, not %d", answer.NumNodes, len(l.Servers()))
		}
		return ""
	})
	return errors.Join(err, refused)
}
