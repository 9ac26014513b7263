package inspect_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// TestAPausedServer: a server that hangs counts as not reached, never as refusing, and another server is asked about the cluster.
func TestAPausedServer(t *testing.T) {
	t.Parallel()
	const once, each = "server-makes-no-token-that-ends-in-over-a-month", "server-https-refuses-no-certificate"
	l := labtest.Start(t, spec.Servers(3), spec.Clients(0), spec.Hardened())
	paused := l.Servers()[0] // the first would be asked what the cluster answers
	if labtest.Leader(t, l) == paused {
		handOver(t, l, paused, l.Servers()[1]) // without a leader nothing could be asked for a while
	}
	if err := paused.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := inspect.Lab(t.Context(), l, inspect.Options{Only: []string{once, each}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, f := range r.Findings {
		seen[f.ID]++
		switch gone := f.Node == paused.Name(); {
		case gone && (f.ID == once || f.Result != finding.Inconclusive || f.Outcome != "not reached"):
			t.Errorf("%s at %s, which is paused: %s, %q, because %s", f.ID, f.Node, f.Result, f.Outcome, f.Reason)
		case !gone && f.Result == finding.Inconclusive:
			t.Errorf("%s at %s: %s because %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	if seen[once] != 1 || seen[each] != 3 {
		t.Errorf("findings: %v", seen)
	}
	for _, n := range r.Cluster.Nodes {
		if (n.State == "not reached") != (n.Name == paused.Name()) {
			t.Errorf("%s is %s", n.Name, n.State)
		}
	}
}

// handOver makes the other server the leader.
func handOver(t *testing.T, l *lab.Lab, leader, other *lab.Node) {
	t.Helper()
	c, err := leader.API()
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("%s:%d", other.Address(), spec.RPCPort)
	if err := c.Operator().RaftTransferLeadershipByAddress(at, nil); err != nil {
		t.Fatal(err)
	}
	err = poll.Until(t.Context(), "the other to lead", func(ctx context.Context) string {
		if now, err := l.Leader(ctx, ""); err != nil || now != other {
			return fmt.Sprintf("%v", err)
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAWorkloadThatDoesNotStart makes its checks inconclusive, and not skipped: here no server is left that could start it.
func TestAWorkloadThatDoesNotStart(t *testing.T) {
	t.Parallel()
	const looks = "workload-identity-may-not-list-nodes"
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1), spec.Hardened())
	if err := l.Servers()[0].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := inspect.Lab(t.Context(), l, inspect.Options{Only: []string{looks, "client-lets-nobody-read-logs-without-token"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		tells := f.Node == "server-1" || strings.Contains(f.Reason, "no workload of the checks' own could be started: find a server that answers")
		if f.Result != finding.Inconclusive || !tells {
			t.Errorf("%s at %s: %s because %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	if len(r.Findings) != 2 {
		t.Errorf("%d findings", len(r.Findings))
	}
}
