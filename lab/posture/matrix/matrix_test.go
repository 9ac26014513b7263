package matrix_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
)

// TestEveryServerIsTried, as each has its own settings. Only the leader is tried at the endpoint that followers
// forward.
func TestEveryServerIsTried(t *testing.T) {
	client := probe.Target{Name: "client-1", Role: pki.Client, Leader: true}
	follower := probe.Target{Name: "server-1", Role: pki.Server}
	leader := probe.Target{Name: "server-2", Role: pki.Server, Leader: true}
	leads := func(names ...string) func(context.Context) string {
		asked := 0
		return func(context.Context) string {
			asked++
			return names[(asked-1)%len(names)]
		}
	}
	for name, test := range map[string]struct {
		targets []probe.Target
		leader  func(context.Context) string
		nodes   []string
		at      []string // of Node.Register
		result  finding.Result
		says    string
	}{
		"as the targets say":   {[]probe.Target{client, follower, leader}, nil, []string{"server-1", "server-2"}, []string{"server-2"}, finding.Inconclusive, "paused"},
		"as the servers say":   {[]probe.Target{follower, leader}, leads("server-1"), []string{"server-1", "server-2"}, []string{"server-1"}, finding.Inconclusive, "paused"},
		"a server alone":       {[]probe.Target{leader}, nil, []string{"server-2"}, nil, finding.Inconclusive, "paused"},
		"it moves once":        {[]probe.Target{follower, leader}, leads("server-1", "server-2", "server-2", "server-2"), []string{"server-1", "server-2"}, []string{"server-2"}, finding.Inconclusive, "paused"},
		"it moves on and on":   {[]probe.Target{follower, leader}, leads("server-1", "server-2"), []string{"server-1", "server-2"}, nil, finding.Inconclusive, "while leadership moved"},
		"nobody leads":         {[]probe.Target{follower, leader}, leads(""), []string{"server-1", "server-2"}, nil, finding.Inconclusive, "no server is known to lead"},
		"no server is there":   {[]probe.Target{client}, nil, nil, nil, "", ""},
		"the leader is no one": {[]probe.Target{follower, leader}, leads("server-9"), []string{"server-1", "server-2"}, nil, finding.Inconclusive, "no server is known to lead"},
	} {
		for i := range test.targets {
			test.targets[i].Silent = probe.NewSilentPorts(map[probe.Plane]string{
				probe.PlaneHTTP: "it is paused", probe.PlaneRPC: "it is paused", probe.PlaneGossip: "it is paused",
			})
		}
		m := matrix.Probe(t.Context(), test.targets, matrix.Ingredients{Callers: everybody(t), Leader: test.leader})
		if m == nil || test.nodes == nil {
			if m != nil || test.nodes != nil {
				t.Errorf("%s: tried was %+v", name, m)
			}
			continue
		}
		register := m.Rows[0].Cells[slices.Index(matrix.Endpoints(), matrix.NodeRegister)]
		if !slices.Equal(m.Nodes, test.nodes) || m.Node != strings.Join(test.nodes, ", ") || !slices.Equal(register.At, test.at) ||
			register.Result != test.result || !strings.Contains(register.Reason, test.says) {
			t.Errorf("%s: tried at %v, Node.Register at %v: %s because %s", name, m.Nodes, register.At, register.Result, register.Reason)
		}
		for _, c := range m.Rows[0].Cells {
			if c.Endpoint != string(matrix.NodeRegister) && (len(c.At) > 0 || c.Result != finding.Inconclusive || c.Reason != "it is paused") {
				t.Errorf("%s: %s at %v: %s because %s", name, c.Endpoint, c.At, c.Result, c.Reason)
			}
		}
	}
}

// TestAMissingCallerIsSkippedEverywhere, whichever server leads.
func TestAMissingCallerIsSkippedEverywhere(t *testing.T) {
	servers := []probe.Target{
		{Name: "server-1", Role: pki.Server, RPC: "127.0.0.1:4647"}, {Name: "server-2", Role: pki.Server, RPC: "127.0.0.1:4647", Leader: true},
	}
	for _, row := range matrix.Probe(t.Context(), servers, matrix.Ingredients{}).Rows {
		c := row.Cells[slices.Index(matrix.Endpoints(), matrix.NodeRegister)]
		if c.Result != finding.Skipped || len(c.At) > 0 || !strings.Contains(c.Reason, "nobody was made") {
			t.Errorf("%s: %s at %v because %s", row.Certificate, c.Result, c.At, c.Reason)
		}
	}
}

// TestTheWorstCellWins: what one server lets in is let in, and the cell names that server.
func TestTheWorstCellWins(t *testing.T) {
	cell := func(v finding.Result, o probe.Outcome) finding.Cell {
		return finding.Cell{Result: v, Outcome: string(o), Reason: "it was " + string(o)}
	}
	pass, fail := cell(finding.Pass, handshake), cell(finding.Fail, in)
	untried, skipped := cell(finding.Inconclusive, dead), cell(finding.Skipped, "")
	for name, test := range map[string]struct {
		cells     [3]finding.Cell
		result    finding.Result
		at        []string
		elsewhere finding.Result
		reason    string
	}{
		"all are sound":         {[3]finding.Cell{pass, pass, pass}, finding.Pass, nil, "", pass.Reason},
		"one is open":           {[3]finding.Cell{pass, fail, pass}, finding.Fail, []string{"b"}, finding.Pass, fail.Reason},
		"one is open, one away": {[3]finding.Cell{untried, pass, fail}, finding.Fail, []string{"c"}, finding.Inconclusive, fail.Reason},
		"two are open":          {[3]finding.Cell{pass, fail, fail}, finding.Fail, []string{"b", "c"}, finding.Pass, fail.Reason},
		"each is open in a way of its own": {
			[3]finding.Cell{pass, fail, cell(finding.Fail, after)}, finding.Fail, []string{"b", "c"}, finding.Pass,
			"b: " + fail.Reason + "; c: it was " + string(after),
		},
		"all are open":       {[3]finding.Cell{fail, fail, fail}, finding.Fail, nil, "", fail.Reason},
		"one is away":        {[3]finding.Cell{pass, pass, untried}, finding.Inconclusive, []string{"c"}, finding.Pass, untried.Reason},
		"one alone is asked": {[3]finding.Cell{skipped, pass, skipped}, finding.Pass, []string{"b"}, finding.Skipped, pass.Reason},
	} {
		c := matrix.Worst([]string{"a", "b", "c"}, test.cells[:])
		if c.Result != test.result || !slices.Equal(c.At, test.at) || c.Elsewhere != test.elsewhere || c.Reason != test.reason {
			t.Errorf("%s: %s at %v, else %s: %s", name, c.Result, c.At, c.Elsewhere, c.Reason)
		}
	}
}

// TestEveryCellIsThere, in its place.
func TestEveryCellIsThere(t *testing.T) {
	m := matrix.Probe(t.Context(), []probe.Target{{Name: "server-1", Role: pki.Server, Leader: true}}, matrix.Ingredients{Callers: everybody(t)})
	if len(m.Rows) != len(caller.Kinds()) || len(m.Endpoints) != len(matrix.Endpoints()) {
		t.Fatalf("%d rows and %d entries", len(m.Rows), len(m.Endpoints))
	}
	for i, k := range caller.Kinds() {
		row := m.Rows[i]
		if row.Certificate != string(k) || row.Title != k.Title() || len(row.Cells) != len(m.Endpoints) {
			t.Errorf("row %d is %s (%s) with %d cells, want %s", i, row.Certificate, row.Title, len(row.Cells), k)
		}
		for j, e := range matrix.Endpoints() {
			c := row.Cells[j]
			if c.Endpoint != string(e) || m.Endpoints[j] != c.Endpoint || c.Want != string(known()[k][j]) || c.Result != finding.Skipped {
				t.Errorf("%s, column %d: %+v", k, j, c)
			}
		}
	}
}

// TestTheControlIsSound: it sends what the callers send, with a server's certificate.
func TestTheControlIsSound(t *testing.T) {
	server, _ := everybody(t).Caller(caller.Server)
	const key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	for _, e := range matrix.Endpoints() {
		sentence := matrix.Control(e, everybody(t), key).Sentence
		who := server.String()
		if e == matrix.Gossip {
			who = "the cluster's gossip key"
		}
		if !strings.Contains(sentence, who) {
			t.Errorf("the control at %s is to %s, that names not %q", e, sentence, who)
		}
		// Without its ingredient the control is let in nowhere, so no refusal counts.
		o := matrix.Control(e, caller.Set{}, "").Observe(t.Context(), probe.Target{})
		if o.Outcome != probe.NotReached || o.Err == "" {
			t.Errorf("%s, with nothing at hand: %q (%s)", e, o.Outcome, o.Err)
		}
	}
}
