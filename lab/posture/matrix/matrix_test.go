package matrix_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// TestTheLeaderIsTried, for a follower forwards some calls before it looks at the caller.
func TestTheLeaderIsTried(t *testing.T) {
	client := probe.Target{Name: "client-1", Role: pki.Client, Leader: true}
	follower := probe.Target{Name: "server-1", Role: pki.Server}
	leader := probe.Target{Name: "server-2", Role: pki.Server, Leader: true}
	for want, targets := range map[string][]probe.Target{
		"server-2": {client, follower, leader},
		"server-1": {client, follower},
		"":         {client},
	} {
		m := matrix.Probe(t.Context(), targets, party.Parties{}, "")
		switch {
		case want == "" && m != nil:
			t.Errorf("%s was tried, where there is no server", m.Node)
		case want != "" && (m == nil || m.Node != want):
			t.Errorf("tried was %+v, want %s", m, want)
		}
	}
}

// TestEveryCellIsThere, in its place.
func TestEveryCellIsThere(t *testing.T) {
	m := matrix.Probe(t.Context(), []probe.Target{{Name: "server-1", Role: pki.Server}}, everybody(t), "")
	if len(m.Rows) != len(party.Kinds()) || len(m.Entries) != len(matrix.Entries()) {
		t.Fatalf("%d rows and %d entries", len(m.Rows), len(m.Entries))
	}
	for i, k := range party.Kinds() {
		row := m.Rows[i]
		if row.Certificate != string(k) || row.Title != k.Title() || len(row.Cells) != len(m.Entries) {
			t.Errorf("row %d is %s (%s) with %d cells, want %s", i, row.Certificate, row.Title, len(row.Cells), k)
		}
		for j, e := range matrix.Entries() {
			c := row.Cells[j]
			if c.Entry != string(e) || m.Entries[j] != c.Entry || c.Want != string(known()[k][j]) || c.Verdict != finding.Skipped {
				t.Errorf("%s, column %d: %+v", k, j, c)
			}
		}
	}
}

// TestTheCanaryIsSound: it does what the callers do, as one who is to be let in.
func TestTheCanaryIsSound(t *testing.T) {
	server, _ := everybody(t).Caller(party.Server)
	const key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	for _, e := range matrix.Entries() {
		sentence := matrix.Canary(e, everybody(t), key).Sentence
		who := server.String()
		if e == matrix.Gossip {
			who = "the cluster's gossip key"
		}
		if !strings.Contains(sentence, who) {
			t.Errorf("the canary at %s is to %s, that names not %q", e, sentence, who)
		}
		// Without what it needs it is let in nowhere, so that no refusal counts.
		o := matrix.Canary(e, party.Parties{}, "").Observe(t.Context(), probe.Target{})
		if o.Outcome != probe.NotReached || o.Err == "" {
			t.Errorf("%s, with nothing at hand: %q (%s)", e, o.Outcome, o.Err)
		}
	}
}
