package regress_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// report is one of a single check at one agent, and of one that passes whatever happens.
func report(v finding.Result, outcome string, settings ...string) finding.Report {
	return finding.Report{Findings: []finding.Finding{
		{ID: "a-check", Result: v, Outcome: outcome, Settings: settings},
		{ID: "another", Result: finding.Pass, Outcome: "absent"},
	}}
}

// TestFates: what was seen without a mutation and with it decides what became of it.
func TestFates(t *testing.T) {
	weakens := mutation.Mutation{ID: "m", Settings: []string{"tls.http"}}
	nothing := mutation.Mutation{ID: "n", Settings: []string{"tls.http"}, Equivalent: "it is so (a.go:1)"}
	passed := report(finding.Pass, "refused", "tls.http")
	for name, test := range map[string]struct {
		mutation    mutation.Mutation
		before, now finding.Report
		want        regress.Fate
		by          int
	}{
		"no check noticed":           {weakens, passed, passed, regress.Survived, 0},
		"one that names it noticed":  {weakens, passed, report(finding.Fail, "accepted", "tls.HTTP"), regress.Killed, 1},
		"one that names another did": {weakens, passed, report(finding.Fail, "accepted", "acl.enabled"), regress.KilledByOthers, 1},
		"it failed before":           {weakens, report(finding.Fail, "accepted", "tls.http"), report(finding.Fail, "accepted", "tls.http"), regress.OpenWithout, 0},
		"another failed before":      {weakens, report(finding.Fail, "accepted", "acl.enabled"), report(finding.Fail, "accepted", "acl.enabled"), regress.Survived, 0},
		"it could not be tried":      {weakens, passed, report(finding.Inconclusive, "not reached", "tls.http"), regress.Survived, 0},
		"the very same":              {nothing, passed, passed, regress.Equivalent, 0},
		"another outcome":            {nothing, passed, report(finding.Pass, "denied", "tls.http"), regress.NotEquivalent, 1},
		"another result":             {nothing, passed, report(finding.Skipped, "refused", "tls.http"), regress.NotEquivalent, 1},
		"nothing was seen at all":    {nothing, finding.Report{}, finding.Report{}, regress.NotEquivalent, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := regress.Judge(test.mutation, test.before, test.now)
			if r.Fate != test.want || len(r.By) != test.by {
				t.Errorf("it was %s by %v, want %s by %d", r.Fate, r.By, test.want, test.by)
			}
		})
	}
}

// TestScore counts what had to be killed, and what was by who names it.
func TestScore(t *testing.T) {
	var run regress.MutationRun
	for _, f := range []regress.Fate{
		regress.Killed, regress.Killed, regress.KilledByOthers, regress.Survived, regress.Failed, regress.NotEquivalent,
		regress.Equivalent, regress.Inapplicable, regress.Refused, regress.OpenWithout,
	} {
		run.Results = append(run.Results, regress.Result{Fate: f})
	}
	if killed, of := run.Score(); killed != 2 || of != 6 {
		t.Errorf("%d of %d", killed, of)
	}
}

// seen is a report of one check, with its result at each node.
func seen(results map[string]finding.Result) finding.Report {
	var r finding.Report
	for node, v := range results {
		r.Findings = append(r.Findings, finding.Finding{ID: "https-refuses-plaintext", Node: node, Result: v, Settings: []string{"tls.http"}})
	}
	return r
}

// pair is a pack of two mutations of one setting, beside a server without one.
func pair() mutation.Pack {
	p := mutation.Pack{Name: "pair", Servers: 3}
	for i, id := range []string{"first", "second"} {
		p.Placed = append(p.Placed, mutation.Placed{
			Mutation: mutation.Mutation{ID: id, Scope: mutation.Agent, Role: pki.Server, Settings: []string{"tls.http"}},
			Node:     fmt.Sprintf("server-%d", i+2), Scope: mutation.Agent,
		})
	}
	return p
}

// TestJudgeTogether: a mutation is killed by what fails at its own agent, and nothing of a pack counts in which an agent without a mutation
// fails.
func TestJudgeTogether(t *testing.T) {
	const passed, failed = finding.Pass, finding.Fail
	base := seen(map[string]finding.Result{"server-1": passed, "server-2": passed, "server-3": passed})
	for name, test := range map[string]struct {
		base, now finding.Report
		want      []string
		apart     string
	}{
		"each at its own agent": {
			base, seen(map[string]finding.Result{"server-1": passed, "server-2": failed, "server-3": failed}), []string{"first", "second"}, "",
		},
		"one survives": {
			base, seen(map[string]finding.Result{"server-1": passed, "server-2": passed, "server-3": failed}), []string{"second"}, "at its agent",
		},
		"the agent without a mutation fails": {
			base, seen(map[string]finding.Result{"server-1": failed, "server-2": failed, "server-3": failed}), nil, "https-refuses-plaintext",
		},
		"what the agent without a mutation fails failed before": {
			seen(map[string]finding.Result{"server-1": failed, "server-2": passed, "server-3": passed}),
			seen(map[string]finding.Result{"server-1": failed, "server-2": failed, "server-3": failed}), nil, "at its agent",
		},
		"nothing was seen": {base, finding.Report{}, nil, "at its agent"},
	} {
		t.Run(name, func(t *testing.T) {
			killed, apart := regress.JudgeTogether(pair(), test.base, test.now)
			if got := ids(killed); !slices.Equal(got, test.want) || !strings.Contains(apart, test.apart) {
				t.Errorf("killed are %v, want %v; the others are tried apart because %q, want %q", got, test.want, apart, test.apart)
			}
		})
	}
}

// TestJudgeEquivalents: mutations that are said to change nothing are proved together, and where anything differs, or nothing
// could be seen, any of them may be what makes the difference.
func TestJudgeEquivalents(t *testing.T) {
	one := mutation.Mutation{ID: "one", Equivalent: "it is so (a.go:1)"}
	both := []mutation.Mutation{one, {ID: "two", Equivalent: "it is so (b.go:2)"}}
	passed := report(finding.Pass, "refused")
	for name, test := range map[string]struct {
		all             []mutation.Mutation
		now             finding.Report
		err             error
		proved, doubted []string
		fate            regress.Fate
	}{
		"the very same":          {both, passed, nil, []string{"one", "two"}, nil, regress.Equivalent},
		"something differs":      {both, report(finding.Pass, "denied"), nil, nil, []string{"one", "two"}, regress.NotEquivalent},
		"an agent ends":          {both, finding.Report{}, &regress.RefusedError{}, nil, []string{"one", "two"}, regress.Refused},
		"alone, the very same":   {both[:1], passed, nil, []string{"one"}, nil, regress.Equivalent},
		"alone, and it differs":  {both[:1], report(finding.Pass, "denied"), nil, []string{"one"}, nil, regress.NotEquivalent},
		"alone, an agent ends":   {both[:1], finding.Report{}, &regress.RefusedError{}, []string{"one"}, nil, regress.Refused},
		"alone, it does not end": {both[:1], finding.Report{}, errors.New("no leader"), []string{"one"}, nil, regress.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			proved, doubted := regress.JudgeEquivalents(test.all, passed, test.now, test.err)
			if !slices.Equal(ids(proved), test.proved) || !slices.Equal(ids(doubted), test.doubted) {
				t.Errorf("proved %v, want %v; doubted %v, want %v", ids(proved), test.proved, ids(doubted), test.doubted)
			}
			for _, r := range append(proved, doubted...) {
				if r.Fate != test.fate {
					t.Errorf("%s is %s, want %s", r.Mutation.ID, r.Fate, test.fate)
				}
			}
		})
	}
}

// ids are those of the results' mutations.
func ids(results []regress.Result) []string {
	var all []string
	for _, r := range results {
		all = append(all, r.Mutation.ID)
	}
	return all
}

// TestSize: clusters are as large as the configuration begins them, and those that mutations share have a sound server that
// leads, unless one server of so few cannot be wanting.
func TestSize(t *testing.T) {
	for servers, want := range map[string]mutation.Size{
		"1": {Servers: 1, SharedServers: 1, SharedClients: 10},
		"2": {Servers: 2, SharedServers: 2, SharedClients: 10},
		"3": {Servers: 3, SharedServers: 5, SharedClients: 10},
		"5": {Servers: 5, SharedServers: 5, SharedClients: 10},
		"7": {Servers: 7, SharedServers: 7, SharedClients: 10},
	} {
		if got := regress.Size(readBoth(t, servers)); got != want {
			t.Errorf("of %s servers: %+v, want %+v", servers, got, want)
		}
	}
}

// TestSized: a cluster has no clients where the configuration has none, and one with more servers than the configuration begins
// with waits for all of them.
func TestSized(t *testing.T) {
	pack := mutation.Pack{Servers: 5, Clients: 1}
	for name, test := range map[string]struct {
		source  regress.Source
		clients int
		expect  string
	}{
		"five servers":          {readBoth(t, "5"), 1, ""},
		"three servers":         {readBoth(t, "3"), 1, "5"},
		"five, without clients": {readServers(t, soundServer), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, settings := regress.Sized(test.source, pack)
			expect := ""
			for _, s := range settings {
				expect = s.Value
			}
			if p.Clients != test.clients || p.Servers != 5 || expect != test.expect {
				t.Errorf("%d servers, %d clients, bootstrap_expect %q", p.Servers, p.Clients, expect)
			}
		})
	}
}

// TestACellIsOfItsServers: what one server lets in is no result of another one.
func TestACellIsOfItsServers(t *testing.T) {
	cell := func(v, elsewhere finding.Result, at ...string) finding.Cell {
		return finding.Cell{Endpoint: "Raft", Result: v, At: at, Elsewhere: elsewhere}
	}
	for name, test := range map[string]struct {
		cell   finding.Cell
		filter func(string) bool
		want   finding.Result
	}{
		"all nodes":                  {cell(finding.Fail, finding.Pass, "b"), nil, finding.Fail},
		"the server itself":          {cell(finding.Fail, finding.Pass, "b"), func(n string) bool { return n == "b" }, finding.Fail},
		"another one":                {cell(finding.Fail, finding.Pass, "b"), func(n string) bool { return n == "a" }, finding.Pass},
		"another one, untried":       {cell(finding.Fail, finding.Inconclusive, "b"), func(n string) bool { return n != "b" }, finding.Inconclusive},
		"no server":                  {cell(finding.Fail, finding.Pass, "b"), func(n string) bool { return n == "client-1" }, ""},
		"at all of them, one":        {cell(finding.Fail, ""), func(n string) bool { return n == "a" }, finding.Fail},
		"at all of them, and no one": {cell(finding.Fail, ""), func(n string) bool { return n == "client-1" }, ""},
	} {
		r := finding.Report{Matrix: &finding.Matrix{Nodes: []string{"a", "b", "c"}, Rows: []finding.MatrixRow{
			{Certificate: "cli", Cells: []finding.Cell{test.cell}},
		}}}
		if got := regress.Results(r, test.filter)["matrix/cli/Raft"]; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
