package mutation

import (
	"context"
	"fmt"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// Rogue is the name of the extra node of the mutation rogue-server.
const Rogue = "rogue"

// rogueServer returns the mutation by an unwanted server that has the gossip key. The key alone makes it one of
// Raft's, whatever its certificate (nomad#9406; nomad/leader.go, addRaftPeer).
func rogueServer() Mutation {
	return Mutation{
		ID: "rogue-server", Scope: Cluster, Change: "a server of another authority that has server.encrypt", Checks: []string{"cluster"},
		Lab:  []spec.Option{spec.ExtraNodes(spec.ExtraNode{Name: Rogue, Role: pki.Server, Defect: pki.Foreign().Name()})},
		Live: &Live{Do: func(ctx context.Context, l *lab.Lab) error { return startRogueServer(ctx, l, Rogue) }},
	}
}

// startRogueServer starts the extra server of that name, and waits until it is in Raft's configuration or has logged
// why gossip refused it.
func startRogueServer(ctx context.Context, l *lab.Lab, name string) error {
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
		_, servers, err := raftServers(ctx, l.Servers()[0])
		var saw []string
		for _, s := range servers {
			if strings.HasPrefix(s.Address, rogue.Address().String()+":") {
				return ""
			}
			saw = append(saw, fmt.Sprintf("%s (voter: %t)", s.Address, s.Voter))
		}
		return fmt.Sprintf("Raft's servers are %s (%v)", strings.Join(saw, ", "), err)
	})
}
