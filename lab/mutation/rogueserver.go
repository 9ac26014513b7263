package mutation

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// Rogue is the name of the server that nobody means to have, of the mutation rogue-server.
const Rogue = "rogue"

// rogueServer is a server that nobody means to have, and that has the gossip key: that key alone makes it one of Raft's,
// whatever its certificate is worth (nomad#9406; nomad/leader.go, addRaftPeer).
func rogueServer() Mutation {
	return Mutation{
		ID: "rogue-server", Scope: Cluster, Change: "a server of another authority that has server.encrypt", Checks: []string{"cluster"},
		Lab:  []spec.Option{spec.ExtraNodes(spec.ExtraNode{Name: Rogue, Role: pki.Server, Defect: pki.Foreign().Name()})},
		Live: &Live{Do: func(ctx context.Context, l *lab.Lab) error { return startRogue(ctx, l, Rogue) }},
	}
}

// startRogue starts the extra server of that name, and waits until it is one of Raft's or has said why it is not.
func startRogue(ctx context.Context, l *lab.Lab, name string) error {
	rogue, err := l.Node(name)
	if err != nil {
		return err
	}
	if err := rogue.Start(ctx); err != nil {
		return err
	}
	return poll.Until(ctx, name+" to be let in or refused", func(ctx context.Context) string {
		lines, err := rogue.Log().Since(0)
		if err != nil {
			return err.Error()
		}
		if strings.Contains(strings.Join(lines, "\n"), "remote state is encrypted and encryption is not configured") {
			return ""
		}
		there, saw, err := raftHas(ctx, l, rogue)
		if err != nil || !there {
			return fmt.Sprintf("Raft's servers are %s (%v)", saw, err)
		}
		return ""
	})
}

// raftHas reports whether the server is in Raft's configuration, and which servers are, in words.
func raftHas(ctx context.Context, l *lab.Lab, server *lab.Node) (there bool, saw string, err error) {
	client, err := l.Servers()[0].API()
	if err != nil {
		return false, "", err
	}
	raft, err := client.Operator().RaftGetConfiguration(new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return false, "", fmt.Errorf("ask for Raft's configuration: %w", err)
	}
	var all []string
	for _, s := range raft.Servers {
		all = append(all, fmt.Sprintf("%s (voter: %t)", s.Address, s.Voter))
		there = there || strings.HasPrefix(s.Address, server.Address().String()+":")
	}
	return there, strings.Join(all, ", "), nil
}
