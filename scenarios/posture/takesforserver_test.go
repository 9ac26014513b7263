package posture_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// takesForServer is the check of whom a client takes for a server.
const takesForServer = "client-takes-no-client-for-a-server"

// TestWhomAClientTakesForAServer: the lines that guard a client's RPC, one by one. Whatever the client makes of what it is
// offered, it keeps its own servers.
func TestWhomAClientTakesForAServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		weaken  []lab.Option
		verdict finding.Verdict
		outcome probe.Outcome
	}{
		{"hardened", nil, finding.Held, probe.RefusedInHandshake},
		{"names are not verified", []lab.Option{lab.Set(pki.Client, "tls.verify_server_hostname", "false")}, finding.Broken, probe.Accepted},
		{"RPC in the clear", []lab.Option{lab.Weaken(lab.NoRPCTLS)}, finding.Broken, probe.Accepted},
		{"no ACL system, and so no token", []lab.Option{lab.Weaken(lab.NoACL)}, finding.Held, probe.RefusedInHandshake},
		{"a client's HTTP in the clear", []lab.Option{lab.Set(pki.Client, "tls.http", "false")}, finding.Held, probe.RefusedInHandshake},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, append([]lab.Option{lab.Hardened(), lab.Clients(2)}, test.weaken...)...)
			before := serversOf(t, l)
			for _, f := range inspected(t, l, inspect.Options{Only: []string{takesForServer}}).Findings {
				for _, e := range f.Evidence {
					t.Logf("%s at %s: %s: %s %s %s %q", e.Part, f.Node, e.Outcome, e.Sent, e.Received, e.Error, e.Lines)
				}
				if f.Verdict != test.verdict || f.Outcome != string(test.outcome) {
					t.Errorf("%s: %s, %q, because %s; want %s, %q", f.Node, f.Verdict, f.Outcome, f.Reason, test.verdict, test.outcome)
				}
			}
			if diff := cmp.Diff(before, serversOf(t, l)); diff != "" {
				t.Errorf("the clients' servers (-before +after):\n%s", diff)
			}
		})
	}
}

// TestAClientKeepsItsServersWhenTheProbeIsCutShort, a little later each time, until it comes to its end.
func TestAClientKeepsItsServersWhenTheProbeIsCutShort(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Hardened(), lab.Clients(1))
	before := serversOf(t, l)
	parties, err := party.Mint(l.Authority(), l.Clients()[0].Region())
	if err != nil {
		t.Fatal(err)
	}
	server, _ := parties.Caller(party.Server)
	cli, _ := parties.Caller(party.CLI)
	p := probe.RogueServer(server, cli.WithToken(l.ManagementToken(), "a management token"))
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
		t.Errorf("the client's servers (-before +after):\n%s", diff)
	}
}

// serversOf are the servers that each client talks to.
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
