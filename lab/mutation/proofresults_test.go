package mutation_test

import (
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// sound returns the findings of three servers without a mutation: two checks of each, and a check of the cluster.
func sound() []finding.Finding {
	var all []finding.Finding
	for _, node := range []string{"server-1", "server-2", "server-3"} {
		for _, id := range []string{"refuses-plaintext", "refuses-untrusted"} {
			all = append(all, finding.Finding{ID: id, Node: node, Plane: "HTTP", Result: finding.Pass})
		}
	}
	return append(all, finding.Finding{ID: "has-one-key", Node: "server-1", Plane: "gossip", Result: finding.Pass})
}

// with returns the findings, of which the check's result at the node is v.
func with(findings []finding.Finding, id, node string, v finding.Result) []finding.Finding {
	all := slices.Clone(findings)
	for i, f := range all {
		if f.ID == id && f.Node == node {
			all[i].Result, all[i].Reason = v, "planted"
		}
	}
	return all
}

func packResults(findings []finding.Finding) mutation.PackResults {
	return mutation.NewPackResults(finding.Report{Findings: findings}, []string{"has-one-key"})
}

// pair returns a pack of two mutations that share a cluster: plain at server-2, open at server-3; server-1 is sound.
func pair() mutation.Pack {
	return mutation.Pack{Name: "pair", Servers: 3, Placed: []mutation.Placed{
		{Mutation: row("plain", pki.Server, mutation.Shares), Node: "server-2", Scope: mutation.Agent},
		{Mutation: row("open", pki.Server, mutation.Shares), Node: "server-3", Scope: mutation.Agent},
	}}
}

// listed returns the checks that are known to fail because of the two.
func listed() []mutation.Seen {
	return []mutation.Seen{
		{Mutation: "plain", Scope: mutation.Agent, Fails: []string{"refuses-plaintext"}},
		{Mutation: "open", Scope: mutation.Agent, Fails: []string{"refuses-untrusted"}},
	}
}

// shown returns the findings of a cluster in which the two fail as listed.
func shown() []finding.Finding {
	return with(with(sound(), "refuses-plaintext", "server-2", finding.Fail), "refuses-untrusted", "server-3", finding.Fail)
}

// TestPlantedFaults: each defect of a check or a mutation is reported, with the agent, the mutation and the check.
// The control has none.
func TestPlantedFaults(t *testing.T) {
	if got := mutation.Judge(pair(), listed(), packResults(shown())); len(got) != 0 {
		t.Fatalf("the control differs: %v", got)
	}
	for name, test := range map[string]struct {
		findings []finding.Finding
		want     string
	}{
		"a check that never fails": {
			with(shown(), "refuses-plaintext", "server-2", finding.Pass),
			"refuses-plaintext at server-2, which carries plain: pass, want fail: planted",
		},
		"a mutation that changes nothing and says it does": {
			with(shown(), "refuses-untrusted", "server-3", finding.Pass),
			"refuses-untrusted at server-3, which carries open: pass, want fail: planted",
		},
		"a check that fails for its neighbour's change": {
			with(shown(), "refuses-plaintext", "server-1", finding.Fail),
			"refuses-plaintext at server-1, which is sound: fail, want pass: planted",
		},
		"a check that fails for the change of a neighbour that carries another": {
			with(shown(), "refuses-plaintext", "server-3", finding.Fail),
			"refuses-plaintext at server-3, which carries open: fail, want pass: planted",
		},
		"a control that is lost at a sound agent": {
			with(shown(), "refuses-plaintext", "server-1", finding.Inconclusive),
			"refuses-plaintext at server-1, which is sound: inconclusive, want pass: planted",
		},
		"a check that passes at no agent": {
			slices.DeleteFunc(with(shown(), "refuses-plaintext", "server-3", finding.Skipped), func(f finding.Finding) bool {
				return f.Node == "server-1" && f.ID == "refuses-plaintext"
			}),
			"refuses-plaintext at every other server, which is sound: pass at none, want pass",
		},
		"a check that a sound agent skips": {
			with(shown(), "refuses-untrusted", "server-1", finding.Skipped),
			"refuses-untrusted at server-1, which is sound: skipped, want pass: planted",
		},
		"a check that cannot tell at the agent that carries its mutation": {
			with(shown(), "refuses-plaintext", "server-2", finding.Inconclusive),
			"refuses-plaintext at server-2, which carries plain: inconclusive, want fail: planted",
		},
		"a question of the cluster that fails in a shared one": {
			with(shown(), "has-one-key", "server-1", finding.Fail),
			"has-one-key of the cluster, asked of all: fail, want pass: planted",
		},
		"a sound agent at which nothing was tried": {
			slices.DeleteFunc(shown(), func(f finding.Finding) bool { return f.Node == "server-1" && f.ID != "has-one-key" }),
			"every check at server-1, which is sound: not tried, want tried",
		},
		"a question of the cluster that was not asked": {
			slices.DeleteFunc(shown(), func(f finding.Finding) bool { return f.ID == "has-one-key" }),
			"has-one-key of the cluster, asked of all: not tried, want asked",
		},
		"a question of the cluster that was skipped": {
			with(shown(), "has-one-key", "server-1", finding.Skipped),
			"has-one-key of the cluster, asked of all: skipped, want pass: planted",
		},
		"an agent at which nothing was tried": {
			slices.DeleteFunc(shown(), func(f finding.Finding) bool { return f.Node == "server-3" }),
			"every check at server-3, which carries open: not tried, want tried",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := mutation.Judge(pair(), listed(), packResults(test.findings))
			if len(got) != 1 || got[0].String() != test.want {
				t.Errorf("got %v, want one difference: %s", got, test.want)
			}
		})
	}
}

// TestWhatIsLostAtTheCarrierIsNoDifference: a mutation may make another check's control fail at its own agent.
func TestWhatIsLostAtTheCarrierIsNoDifference(t *testing.T) {
	if got := mutation.Judge(pair(), listed(), packResults(with(shown(), "refuses-untrusted", "server-2", finding.Inconclusive))); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// TestJudgeTakesWhatFailuresSeenReturns: Judge finds no difference between a pack and what FailuresSeen returned for it. Failures
// of the whole cluster belong to none of several mutations.
func TestJudgeTakesWhatFailuresSeenReturns(t *testing.T) {
	learned := mutation.FailuresSeen(pair(), packResults(shown()))
	if got := mutation.Judge(pair(), learned, packResults(shown())); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := mutation.Judge(pair(), learned, packResults(sound())); len(got) != 2 {
		t.Errorf("a cluster without the two differs by %v", got)
	}
	fail := with(shown(), "has-one-key", "server-1", finding.Fail)
	if got := mutation.Judge(pair(), mutation.FailuresSeen(pair(), packResults(fail)), packResults(fail)); len(got) != 1 {
		t.Errorf("a question of the cluster is explained: %v", got)
	}
}

// TestCutOff: an agent that is cut off does not change its peers' results.
func TestCutOff(t *testing.T) {
	pack := mutation.Pack{Servers: 2, Extra: "server-3", Placed: []mutation.Placed{
		{Mutation: row("gone", pki.Server, mutation.Extra), Node: "server-3", Scope: mutation.Agent},
	}}
	seen := with(sound(), "refuses-plaintext", "server-3", finding.Fail)
	learned := mutation.FailuresSeen(pack, packResults(seen))
	if len(learned) != 1 || !slices.Equal(learned[0].Fails, []string{"refuses-plaintext"}) {
		t.Fatalf("learned %+v", learned)
	}
	for name, test := range map[string]struct {
		findings []finding.Finding
		want     int
	}{
		"as learned":       {seen, 0},
		"a peer misses it": {with(seen, "refuses-untrusted", "server-2", finding.Fail), 1},
	} {
		if got := mutation.Judge(pack, learned, packResults(test.findings)); len(got) != test.want {
			t.Errorf("%s: %v, want %d differences", name, got, test.want)
		}
	}
}

// TestAllCarry: if all servers carry the mutation, a failure at any of them counts, and each must have one.
func TestAllCarry(t *testing.T) {
	pack := mutation.Pack{Servers: 3, Clients: 1, Placed: []mutation.Placed{{Mutation: row("all", pki.Server, mutation.Shares), Scope: mutation.Servers}}}
	client := finding.Finding{ID: "refuses-plaintext", Node: "client-1", Plane: "HTTP", Result: finding.Pass}
	seen := with(append(sound(), client), "has-one-key", "server-1", finding.Fail)
	for _, node := range []string{"server-1", "server-2", "server-3"} {
		seen = with(seen, "refuses-untrusted", node, finding.Fail)
	}
	learned := mutation.FailuresSeen(pack, packResults(seen))
	for name, test := range map[string]struct {
		findings []finding.Finding
		want     string
	}{
		"as learned": {seen, ""},
		"one server shows nothing": {
			with(seen, "refuses-untrusted", "server-3", finding.Pass),
			"each of refuses-untrusted at server-3, which carries all: none fails, want one to fail",
		},
		"one server cannot tell": {
			with(seen, "refuses-untrusted", "server-3", finding.Inconclusive),
			"each of refuses-untrusted at server-3, which carries all: none fails, want one to fail",
		},
		"the question of the cluster passes": {
			with(seen, "has-one-key", "server-1", finding.Pass), "has-one-key of the cluster, which carries all: pass, want fail: planted",
		},
		"another check fails at the client": {
			with(seen, "refuses-plaintext", "client-1", finding.Fail), "refuses-plaintext of the cluster, which carries all: fail, want pass: planted",
		},
		"nothing was tried at the client": {
			slices.DeleteFunc(slices.Clone(seen), func(f finding.Finding) bool { return f.Node == "client-1" }),
			"every check at client-1, which is sound: not tried, want tried",
		},
	} {
		got := mutation.Judge(pack, learned, packResults(test.findings))
		if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || got[0].String() != test.want) {
			t.Errorf("%s: %v, want %q", name, got, test.want)
		}
	}
	if got := mutation.Judge(pack, learned, packResults(append(sound(), client))); len(got) != 5 {
		t.Errorf("a sound cluster differs by %v", got)
	}
}

// TestUnproved reports a check that no mutation makes fail, and one that fails only together with all others.
func TestUnproved(t *testing.T) {
	check := func(id string) posture.Spec { return posture.Spec{ID: id, Plane: "HTTP"} }
	seen := []mutation.Seen{
		{Mutation: "good", Scope: mutation.Agent, Fails: []string{"a"}, Sound: []string{"HTTP"}},
		{Mutation: "all-fail", Scope: mutation.Cluster, Fails: []string{"a", "b"}},
	}
	exceptions := map[string]string{"a": "it is not one", "b": "nothing else makes it fail", "c": "it never does"}
	got := strings.Join(unproved([]posture.Spec{check("a"), check("b"), check("c")}, seen, exceptions), "\n")
	if !strings.Contains(got, "a is no exception") || strings.Contains(got, "b was never") || !strings.Contains(got, "c was never") {
		t.Errorf("with exceptions:\n%s", got)
	}
	got = strings.Join(unproved([]posture.Spec{check("a"), check("b"), check("c")}, seen, nil), "\n")
	for _, want := range []string{"b was never seen to fail", "c was never seen to fail", "3 checks fail"} {
		if !strings.Contains(got, want) {
			t.Errorf("it is not told that %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "a was never") {
		t.Errorf("the control is told:\n%s", got)
	}
}
