package inspect_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// on returns the option that overrides a line of one node's configuration.
func on(node, path, value string) spec.Option {
	return func(s *spec.Spec) {
		s.Overrides = append(s.Overrides, spec.Override{Node: node, Path: path, Value: value})
	}
}

// check runs the named checks, and returns each one's results by node. It logs every check that does not pass.
func check(t *testing.T, l *lab.Lab, o inspect.Options) map[string]map[string]finding.Result {
	t.Helper()
	r, err := inspect.Lab(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]finding.Result{}
	for _, f := range r.Findings {
		if all[f.ID] == nil {
			all[f.ID] = map[string]finding.Result{}
		}
		all[f.ID][f.Node] = f.Result
		if f.Result != finding.Pass {
			t.Logf("%s at %s: %s because %s", f.ID, f.Node, f.Result, f.Reason)
		}
	}
	return all
}

// at returns one result for some nodes, and another one for all others.
func at(nodes []string, there, elsewhere finding.Result, others ...string) map[string]finding.Result {
	all := map[string]finding.Result{}
	for _, n := range others {
		all[n] = elsewhere
	}
	for _, n := range nodes {
		all[n] = there
	}
	return all
}

// TestOneServerWithoutACLs fails the checks of what it answers itself, and of what the others forward to it while it leads.
func TestOneServerWithoutACLs(t *testing.T) {
	t.Parallel()
	const (
		faulty = "server-3"
		reads  = "server-lets-nobody-list-jobs-without-token"
		writes = "server-lets-nobody-register-jobs-without-token"
		rpc    = "server-rpc-hides-jobs-from-clients-certificate"
		life   = "introduction-tokens-live-an-hour-at-most"
	)
	// A leader without ACLs can bootstrap none, so that it comes once there is another.
	l := labtest.Start(t, spec.Servers(2), spec.Clients(0), spec.Hardened(), spec.ExtraNodes(spec.ExtraNode{Name: faulty, Role: pki.Server}), on(faulty, "acl.enabled", "false"))
	joins(t, l, faulty)
	servers := []string{"server-1", "server-2", faulty}
	for _, leads := range []string{faulty, "server-1"} {
		node, err := l.Node(leads)
		if err != nil {
			t.Fatal(err)
		}
		if now := labtest.Leader(t, l); now != node {
			handOver(t, l, now, node)
		}
		want := map[string]map[string]finding.Result{
			reads:  at([]string{faulty}, finding.Fail, finding.Pass, servers...),
			rpc:    at([]string{faulty}, finding.Fail, finding.Pass, servers...),
			writes: at(nil, "", finding.Pass, servers...),
			life:   {"server-1": finding.Pass},
		}
		if leads == faulty {
			want[writes] = at([]string{faulty}, finding.Fail, finding.Skipped, servers...)
		}
		got := check(t, l, inspect.Options{Only: slices.Collect(maps.Keys(want)), Members: []string{faulty}})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s leads (-want +got):\n%s", leads, diff)
		}
	}
}

// joins starts an extra node, and returns when it is a voter.
func joins(t *testing.T, l *lab.Lab, name string) {
	t.Helper()
	node, err := l.Node(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = poll.Until(t.Context(), name+" to have a vote", func(ctx context.Context) string {
		raft, err := apiOf(t, l, "server-1").Operator().RaftGetConfiguration(new(api.QueryOptions).WithContext(ctx))
		if err != nil {
			return err.Error()
		}
		for _, s := range raft.Servers {
			if s.Address == node.Advertised().String() && s.Voter {
				return ""
			}
		}
		return fmt.Sprintf("of %d servers it is none with a vote", len(raft.Servers))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOneClientThatOffersRawExec fails, and no other does. The checks of the sample job judge only the client that it runs on.
func TestOneClientThatOffersRawExec(t *testing.T) {
	t.Parallel()
	const (
		faulty = "client-2"
		offers = "client-offers-no-raw-exec"
		logs   = "client-lets-nobody-read-logs-without-token"
		server = "server-lets-nobody-read-logs-without-token"
	)
	l := labtest.Start(t, spec.Servers(1), spec.Clients(2), spec.Hardened(), on(faulty, "plugin.raw_exec.config.enabled", "true"))
	clients := []string{"client-1", faulty}
	for _, runs := range clients {
		got := check(t, l, inspect.Options{Only: []string{offers, logs, server}, SampleJobAt: runs})
		want := map[string]map[string]finding.Result{
			offers: at([]string{faulty}, finding.Fail, finding.Pass, clients...),
			logs:   at([]string{runs}, finding.Pass, finding.Skipped, clients...),
			server: {"server-1": finding.Pass},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the sample job runs on %s (-want +got):\n%s", runs, diff)
		}
	}
}

// TestOneServerOfItsOwn leads a cluster of its own: it fails, and the servers of the old cluster do not.
func TestOneServerOfItsOwn(t *testing.T) {
	t.Parallel()
	const (
		alone = "server-1" // the one that is asked first
	)
	servers := []string{alone, "server-2", "server-3", "server-4"}
	settings := []spec.Option{spec.Servers(4), spec.Clients(0), on(alone, "server.bootstrap_expect", "1")}
	for _, name := range servers {
		settings = append(settings, on(name, "server.server_join.retry_join", ""))
		if name != alone {
			settings = append(settings, on(name, "server.bootstrap_expect", "3"))
		}
	}
	l := labtest.StartUntil(t, lab.Started, settings...)
	joinAll(t, l, servers[1:])
	want := map[string]map[string]finding.Result{
		"servers-agree-on-one-leader": at([]string{alone}, finding.Fail, finding.Pass, servers...),
		"server-has-its-peers":        at([]string{alone}, finding.Fail, finding.Pass, servers...),
	}
	err := poll.Until(t.Context(), "all servers to name a leader", func(context.Context) string {
		for _, name := range servers {
			if leader, err := apiOf(t, l, name).Status().Leader(); err != nil || leader == "" {
				return fmt.Sprintf("%s names no leader: %v", name, err)
			}
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, check(t, l, inspect.Options{Only: slices.Collect(maps.Keys(want))})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// joinAll joins the named servers into one cluster.
func joinAll(t *testing.T, l *lab.Lab, names []string) {
	t.Helper()
	var all []string
	for _, name := range names {
		node, err := l.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s:%d", node.Address(), spec.SerfPort))
	}
	err := poll.Until(t.Context(), "the servers to join", func(context.Context) string {
		if joined, err := apiOf(t, l, names[0]).Agent().Join(all...); err != nil || joined != len(all) {
			return fmt.Sprintf("%d of %d servers joined: %v", joined, len(all), err)
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
}

// apiOf returns the API of the named node.
func apiOf(t *testing.T, l *lab.Lab, name string) *api.Client {
	t.Helper()
	node, err := l.Node(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := node.API()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
