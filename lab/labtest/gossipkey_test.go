package labtest_test

import (
	"context"
	"fmt"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// TestOneServerWithoutGossipKey: the others have the lab's key, which the lab still knows when it is opened again.
func TestOneServerWithoutGossipKey(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	l := labtest.StartUntil(t, lab.Started, spec.Servers(3), spec.Clients(0), func(s *spec.Spec) {
		s.Overrides = append(s.Overrides, spec.Override{Role: pki.Server, Node: "server-3", Path: "server.encrypt"})
	})
	opened, err := lab.Open(t.Context(), labtest.Engine(t), l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if l.GossipKey() == "" || opened.GossipKey() != l.GossipKey() {
		t.Error("the lab does not know the key of its other servers")
	}
	want := map[string]string{"server-1": lab.GossipEncrypted, "server-2": lab.GossipEncrypted, "server-3": lab.GossipOpen}
	if err := poll.Until(t.Context(), "every server to say how it gossips", func(ctx context.Context) string {
		for _, n := range opened.Status(ctx).Nodes {
			if n.Gossip != want[n.Name] {
				return fmt.Sprintf("%s: %q, want %q", n.Name, n.Gossip, want[n.Name])
			}
		}
		return ""
	}); err != nil {
		t.Error(err)
	}
}

// TestGossipInClearThatIsMeantIsNoTrouble, of all servers or of the one that the setting names.
func TestGossipInClearThatIsMeantIsNoTrouble(t *testing.T) {
	for _, node := range []string{"", "server-1"} {
		without := spec.Override{Role: pki.Server, Node: node, Path: "server.encrypt"}
		t.Run(without.String(), func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			l := labtest.Start(t, spec.Servers(1), spec.Clients(0), func(s *spec.Spec) { s.Overrides = append(s.Overrides, without) })
			s := l.Status(t.Context())
			if !s.Ready || len(s.Trouble) > 0 || s.Nodes[0].Gossip != lab.GossipOpen {
				t.Errorf("ready %v, gossip %q, trouble %q", s.Ready, s.Nodes[0].Gossip, s.Trouble)
			}
		})
	}
}
