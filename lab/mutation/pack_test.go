package mutation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// row returns a mutation for a test of the packing rules.
func row(id string, role pki.Role, sharing mutation.Sharing) mutation.Mutation {
	return mutation.Mutation{
		ID: id, Scope: mutation.Agent, Role: role, Sharing: sharing, Settings: []string{"tls.http"},
		Lines: []mutation.Line{{Path: "tls.http", Value: "false"}},
	}
}

// rowsOf returns that many of them.
func rowsOf(n int, role pki.Role, sharing mutation.Sharing) []mutation.Mutation {
	var all []mutation.Mutation
	for i := range n {
		all = append(all, row(fmt.Sprintf("%s-%d", role, i+1), role, sharing))
	}
	return all
}

// turning returns a mutation of a running cluster that can be undone.
func turning(id string, turns mutation.Turns) mutation.Mutation {
	return mutation.Mutation{
		ID: id, Scope: mutation.Cluster, Turns: turns, Live: &mutation.Live{Do: nothing, Undo: nothing},
	}
}

// TestPackerRules: mutations share a cluster if they may, and only then.
func TestPackerRules(t *testing.T) {
	size := mutation.DefaultSize()
	live := turning("policy", mutation.Policies)
	noLeader := row("no-leader", pki.Server, mutation.Shares)
	noLeader.Scope, noLeader.NoLeader = mutation.Servers, true
	sampled := row("sampled", pki.Server, mutation.Shares)
	sampled.Everywhere = true
	for name, test := range map[string]struct {
		rows []mutation.Mutation
		want []string
	}{
		"four servers of five carry one each, and the first is sound and leads": {
			rowsOf(5, pki.Server, mutation.Shares), []string{
				"5+1 lead server-1: server-1 at server-5, server-2 at server-4, server-3 at server-3, server-4 at server-2",
				"3+1 lead server-1: server-5 at server-3",
			},
		},
		"ten clients carry one each, beside a sound one and three sound servers": {
			rowsOf(11, pki.Client, mutation.Shares), []string{
				"3+11: client-1 at client-1, client-2 at client-2, client-3 at client-3, client-4 at client-4, client-5 at client-5, " +
					"client-6 at client-6, client-7 at client-7, client-8 at client-8, client-9 at client-9, client-10 at client-10",
				"3+2: client-11 at client-1", // beside a sound client
			},
		},
		"the sample job runs at one client, so two that need it do not share": {
			append(rowsOf(2, pki.Client, mutation.NeedsSampleJob), row("other", pki.Client, mutation.Shares)), []string{
				"3+3 job client-1: client-1 at client-1, other at client-2",
				"3+2 job client-1: client-2 at client-1",
			},
		},
		"a server that is cut off is an extra one beside three sound ones": {
			rowsOf(2, pki.Server, mutation.Extra), []string{
				"3+0 extra server-4: server-1 at server-4", "3+0 extra server-4: server-2 at server-4",
			},
		},
		"a client that is cut off is an extra one beside a sound one": {
			rowsOf(1, pki.Client, mutation.Extra), []string{"3+1 extra client-2: client-1 at client-2"},
		},
		"one that others make void is alone, and its job runs at it": {
			append(rowsOf(1, pki.Client, mutation.Alone), rowsOf(1, pki.Server, mutation.Alone)...), []string{
				"3+2 job client-2: client-1 at client-2", "3+1 lead server-1: server-1 at server-3",
			},
		},
		"what all servers carry shares with nothing": {
			append(rowsOf(1, pki.Server, mutation.Shares), noLeader), []string{
				"3+1 lead server-1: server-1 at server-3", "3+0: no-leader of servers",
			},
		},
		"what the leader decides is carried by one server, and by all": {
			[]mutation.Mutation{sampled}, []string{"3+1 lead server-1: sampled at server-3", "3+1: sampled of servers"},
		},
		"policies take turns, and so do gossip keys, on clusters of their own": {
			[]mutation.Mutation{live, turning("other-policy", mutation.Policies), turning("key", mutation.Keyring)}, []string{
				"1+1 in turn: policy of cluster", "1+1 in turn: other-policy of cluster", "3+0 in turn: key of cluster",
			},
		},
		"what changes nothing, and what no agent reads, has no cluster": {
			[]mutation.Mutation{{ID: "equal", Equivalent: "it is so"}, {ID: "file", File: &mutation.FileDefect{}}}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range mutation.Packs(test.rows, size) {
				got = append(got, inWords(p))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// inWords returns a pack as one line.
func inWords(p mutation.Pack) string {
	text := fmt.Sprintf("%d+%d", p.Servers, p.Clients)
	for _, part := range []struct{ name, value string }{{"lead", p.Lead}, {"extra", p.Extra}, {"job", p.SampleJobAt}} {
		if part.value != "" {
			text += " " + part.name + " " + part.value
		}
	}
	if p.InTurn {
		text += " in turn"
	}
	var placed []string
	for _, at := range p.Placed {
		placed = append(placed, at.String())
	}
	return text + ": " + strings.Join(placed, ", ")
}

// TestUnpackedIsAllAlone: each mutation of the table has a cluster of its own, at every scope that it has in the
// packed table.
func TestUnpackedIsAllAlone(t *testing.T) {
	places := func(packs []mutation.Pack) []string {
		var all []string
		for _, p := range packs {
			for _, at := range p.Placed {
				all = append(all, at.Mutation.ID+" of "+string(at.Scope))
			}
		}
		slices.Sort(all)
		return all
	}
	size := mutation.DefaultSize()
	alone := mutation.Unpacked(mutation.All(), size)
	for _, p := range alone {
		if len(p.Placed) != 1 {
			t.Errorf("%s has %d mutations", p.Name, len(p.Placed))
		}
	}
	if packed, unpacked := places(mutation.Packs(mutation.All(), size)), places(alone); !slices.Equal(packed, unpacked) {
		t.Errorf("packed\n%v\nunpacked\n%v", packed, unpacked)
	}
}

// TestWhatSpeaksInClearSharesNothing: RPC or gossip in the clear is captured at sound neighbours too, so no mutation
// of these settings may share a cluster.
func TestWhatSpeaksInClearSharesNothing(t *testing.T) {
	tried := 0
	for _, m := range mutation.All() {
		if !slices.Contains(m.Settings, "tls.rpc") && !slices.Contains(m.Settings, "server.encrypt") || m.File != nil || m.Equivalent != "" {
			continue
		}
		tried++
		if m.Scope == mutation.Agent && m.Sharing != mutation.Extra {
			t.Errorf("%s changes %v at one agent and shares a cluster", m.ID, m.Settings)
		}
	}
	if tried < 5 {
		t.Errorf("%d mutations are of these lines: too few to prove anything", tried)
	}
}

// TestOptionsPlaceEachMutation at its own agent and at no other.
func TestOptionsPlaceEachMutation(t *testing.T) {
	for _, p := range mutation.Packs(mutation.All(), mutation.DefaultSize()) {
		for _, at := range p.Placed {
			spec := spec.Spec{}.With(at.Mutation.Options(mutation.Carrier{Node: at.Node, Region: "eu"})...)
			var nodes []string
			for _, s := range spec.Overrides {
				nodes = append(nodes, s.Node)
			}
			for _, f := range spec.Certificates.Defects {
				nodes = append(nodes, f.Node)
			}
			for _, n := range spec.Certificates.Names {
				nodes = append(nodes, n.Node)
				if strings.Contains(n.DNSNames[0], "REGION") || !strings.Contains(n.DNSNames[0], "eu") && strings.Contains(at.Mutation.Change, "REGION") {
					t.Errorf("%s: the name is %s", at, n.DNSNames[0])
				}
			}
			for _, r := range spec.Certificates.Roles {
				nodes = append(nodes, r.Node)
			}
			for _, f := range spec.Certificates.TrustForeign {
				nodes = append(nodes, f.Node)
			}
			if slices.ContainsFunc(nodes, func(node string) bool { return node != at.Node }) {
				t.Errorf("%s is placed at %v", at, nodes)
			}
			if at.Mutation.ForConfiguration() && len(nodes) == 0 {
				t.Errorf("%s changes nothing", at)
			}
		}
	}
}
