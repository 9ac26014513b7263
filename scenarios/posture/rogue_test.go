package posture_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// TestRogueServer: gossip alone makes a server one of Raft's, whatever its certificate is worth; the gossip key is all that
// keeps it out. Each cluster is thrown away, as the rogue stays in what it was let into.
// within bounds the start of a server and its way into a cluster.
const within = 30 * time.Second

func TestRogueServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		rogue   lab.GossipKey
		weaken  []lab.Option
		verdict finding.Verdict
	}{
		{"without the gossip key it stays outside", lab.NoKey, nil, finding.Held},
		{"with the gossip key it gets into Raft's configuration", lab.LabKey, nil, finding.Broken},
		{"without any gossip key anybody does", lab.NoKey, []lab.Option{lab.Weaken(lab.NoGossipKey)}, finding.Broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, append([]lab.Option{lab.Hardened(), lab.Clients(0), lab.Outside(
				lab.Joiner{Name: "rogue", Role: pki.Server, Gossip: test.rogue, Flaw: pki.Foreign().Name()},
			)}, test.weaken...)...)
			f := rogueCheck(l).Evaluate(t.Context(), inspect.Targets(l)[0])
			for _, e := range f.Evidence {
				t.Logf("%s: %s: %s %s", e.Part, e.Did, e.Outcome, e.Received)
			}
			if f.Verdict != test.verdict {
				t.Errorf("%s: %s, want %s", f.Verdict, f.Reason, test.verdict)
			}
		})
	}
}

// rogueCheck starts the rogue and looks for it among Raft's servers. Its control looks for one that is there.
func rogueCheck(l *lab.Lab) posture.Check {
	return posture.Must(posture.Spec{
		ID: "raft-takes-in-no-rogue-server", Title: "Raft takes in no server that has not the gossip key and a certificate of the authority",
		Plane: probe.PlaneRaft, Kind: posture.Destructive, Severity: posture.Critical,
		Why:     "the leader adds to Raft whom gossip shows it, before anybody has looked at a certificate (nomad/leader.go, addRaftPeer; nomad#9406)",
		Probe:   inRaft(l, "rogue", "start a server with another authority's certificate, and ", startRogue),
		Want:    posture.Want{probe.Absent},
		Control: inRaft(l, "server-1", "", func(context.Context, *lab.Lab) error { return nil }),
	})
}

// startRogue starts the rogue and waits until it is a member, or has said why it is not.
func startRogue(ctx context.Context, l *lab.Lab) error {
	rogue, err := l.Node("rogue")
	if err != nil {
		return err
	}
	if err := rogue.Start(ctx); err != nil {
		return err
	}
	return lab.WaitFor(ctx, "the rogue to be let in or refused", func(ctx context.Context) string {
		lines, err := rogue.Log().Since(0)
		if err != nil {
			return err.Error()
		}
		if strings.Contains(strings.Join(lines, "\n"), "remote state is encrypted and encryption is not configured") {
			return ""
		}
		there, saw, err := raftHas(ctx, l, "rogue")
		if err != nil || !there {
			return fmt.Sprintf("Raft's servers are %s (%v)", saw, err)
		}
		return ""
	})
}

// inRaft looks for a server in Raft's configuration, after something was done.
func inRaft(l *lab.Lab, name, doing string, do func(context.Context, *lab.Lab) error) probe.Probe {
	p := probe.New(probe.PlaneRaft, doing+"look for "+name+" in Raft's configuration", func(ctx context.Context, _ probe.Target) probe.Observation {
		if err := do(ctx, l); err != nil {
			return probe.Observation{Outcome: probe.NotReached, Err: err.Error()}
		}
		there, saw, err := raftHas(ctx, l, name)
		switch {
		case err != nil:
			return probe.Observation{Outcome: probe.NotReached, Err: err.Error()}
		case there:
			return probe.Observation{Outcome: probe.Found, Received: saw}
		default:
			return probe.Observation{Outcome: probe.Absent, Received: saw}
		}
	})
	p.Timeout = within
	return p
}

// raftHas says whether the server is among Raft's, and which are.
func raftHas(ctx context.Context, l *lab.Lab, name string) (there bool, saw string, err error) {
	client, err := l.Servers()[0].API()
	if err != nil {
		return false, "", err
	}
	raft, err := client.Operator().RaftGetConfiguration(new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return false, "", err
	}
	node, err := l.Node(name)
	if err != nil {
		return false, "", err
	}
	var all []string
	for _, s := range raft.Servers {
		all = append(all, fmt.Sprintf("%s (voter: %t)", s.Address, s.Voter))
		there = there || strings.HasPrefix(s.Address, node.Address().String()+":")
	}
	return there, strings.Join(all, ", "), nil
}
