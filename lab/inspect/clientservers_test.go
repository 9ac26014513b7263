package inspect_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// TestAClientKeepsItsServers after it was offered a false one, also if the probe is cut short, each time a little later, until it
// ends by itself.
func TestAClientKeepsItsServers(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Servers(1), spec.Clients(2),
		func(s *spec.Spec) { // the second takes whom it is offered
			s.Overrides = append(s.Overrides, spec.Override{Role: "client", Node: "client-2", Path: "tls.verify_server_hostname", Value: "false"})
		})
	before := serversOf(t, l)
	callers, err := caller.Mint(l.Authority(), l.Clients()[0].Region())
	if err != nil {
		t.Fatal(err)
	}
	server, _ := callers.Caller(caller.Server)
	client, _ := callers.Caller(caller.Client)
	cli, _ := callers.Caller(caller.CLI)
	operator := cli.WithToken(l.ManagementToken(), "a management token")
	if o := probe.RogueServer(client, operator).Observe(t.Context(), inspect.Target(l.Clients()[1])); o.Outcome != probe.Accepted {
		t.Errorf("a client that looks at no names gave %q to a client that poses as a server: %s %s", o.Outcome, o.Received, o.Err)
	}
	p := probe.RogueServer(server, operator)
	outcome := probe.NotReached
	for after := time.Millisecond; outcome != probe.Accepted; after += 4 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		o := p.Observe(ctx, inspect.Target(l.Clients()[0]))
		cancel()
		if outcome = o.Outcome; outcome.Refused() || t.Context().Err() != nil {
			t.Fatalf("cut short after %s: %q: %s %s", after, outcome, o.Received, o.Err)
		}
	}
	if diff := cmp.Diff(before, serversOf(t, l)); diff != "" {
		t.Errorf("the clients' servers (-before +after):\n%s", diff)
	}
}

// serversOf returns the servers that each client knows.
func serversOf(t *testing.T, l *lab.Lab) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, n := range l.Clients() {
		client, err := n.API()
		if err != nil {
			t.Fatal(err)
		}
		if all[n.Name()], err = client.Agent().Servers(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(all[n.Name()])
	}
	return all
}
