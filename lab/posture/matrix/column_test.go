package matrix_test

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

const (
	failed = probe.Failed
	dead   = probe.NotReached
)

// turns is a probe that has one outcome after the other, and then the last; sent counts how often it was sent.
func turns(sent *int, outcomes ...probe.Outcome) probe.Probe {
	return probe.New(probe.PlaneRPC, "take a turn", func(context.Context, probe.Target) probe.Observation {
		o := outcomes[min(*sent, len(outcomes)-1)]
		*sent++
		return probe.Observation{Outcome: o}
	})
}

// tried are the cells of the kinds at the RPC port's handshake, and how many knocks and canaries there were.
func tried(t *testing.T, knock, canary []probe.Outcome, kinds ...party.Kind) (cells []finding.Cell, knocks, canaries int) {
	t.Helper()
	target := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", RPC: "127.0.0.1:4647"}
	cells = matrix.TryOneByOne(t.Context(), matrix.RPCHandshake, target, everybody(t), turns(&knocks, knock...), turns(&canaries, canary...), kinds...)
	return cells, knocks, canaries
}

func everybody(t *testing.T) party.Parties {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := party.Mint(a, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVerdictOfACell(t *testing.T) {
	for _, test := range []struct {
		name                 string
		kind                 party.Kind
		before, knock, after probe.Outcome
		outcome              probe.Outcome
		verdict              finding.Verdict
		says                 string
	}{
		{"refused as known", party.CLI, in, door, in, door, finding.Held, "as Nomad 1.11.3 does"},
		{"let in as known", party.Server, in, in, in, in, finding.Held, "as Nomad 1.11.3 does"},
		{"let in who should not be", party.CLI, in, in, in, in, finding.Broken, "refused in the handshake"},
		{"let in who should not be, though the canary is not", party.CLI, door, in, door, in, finding.Broken, "refused in the handshake"},
		{"refused who should be let in", party.Server, in, door, in, door, finding.Broken, `"accepted"`},
		{"refused otherwise than known", party.CLI, in, after, in, after, finding.Broken, "refused in the handshake"},
		{"the canary is refused before", party.CLI, door, door, in, dead, finding.NotCarriedOut, `"refused in the handshake" before`},
		{"the canary is refused afterwards", party.CLI, in, door, door, dead, finding.NotCarriedOut, `"refused in the handshake" after`},
		{"the canary is not reached before", party.CLI, dead, door, in, dead, finding.NotCarriedOut, `"not reached" before`},
		{"the canary is not reached afterwards", party.CLI, in, door, dead, dead, finding.NotCarriedOut, `"not reached" after`},
		{"the canary fails afterwards", party.CLI, in, door, failed, dead, finding.NotCarriedOut, `"failed" after`},
		{"not reached", party.CLI, in, dead, in, dead, finding.NotCarriedOut, "proves nothing"},
		{"failed", party.CLI, in, failed, in, failed, finding.NotCarriedOut, "proves nothing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cells, _, _ := tried(t, []probe.Outcome{test.knock}, []probe.Outcome{test.before, test.after}, test.kind)
			c := cells[0]
			if c.Outcome != string(test.outcome) || c.Verdict != test.verdict || !strings.Contains(c.Reason, test.says) {
				t.Errorf("%q, %s: %s; want %q, %s: %s", c.Outcome, c.Verdict, c.Reason, test.outcome, test.verdict, test.says)
			}
		})
	}
}

// parts are the outcomes of a cell's evidence, in the order of its parts.
func parts(t *testing.T, c finding.Cell) [3]probe.Outcome {
	t.Helper()
	var out [3]probe.Outcome
	if len(c.Evidence) != len(out) {
		t.Fatalf("%d pieces of evidence, want %d", len(c.Evidence), len(out))
	}
	for i, part := range []finding.Part{finding.ControlBefore, finding.Probe, finding.ControlAfter} {
		if c.Evidence[i].Part != part {
			t.Errorf("evidence %d is of %q, want %q", i, c.Evidence[i].Part, part)
		}
		out[i] = probe.Outcome(c.Evidence[i].Outcome)
	}
	return out
}

// TestTheCanaryBetweenTwoCertificatesIsOfBoth: each cell shows two, and what costs a connection is one for each and one more.
func TestTheCanaryBetweenTwoCertificatesIsOfBoth(t *testing.T) {
	cells, knocks, canaries := tried(t, []probe.Outcome{door}, []probe.Outcome{in}, party.CLI, party.Web, party.Wildcard)
	if knocks != 3 || canaries != 4 {
		t.Errorf("%d knocks and %d canaries, want 3 and 4", knocks, canaries)
	}
	for _, c := range cells {
		if got := parts(t, c); got != [3]probe.Outcome{in, door, in} || c.Verdict != finding.Held {
			t.Errorf("%v, %s: %s", got, c.Verdict, c.Reason)
		}
	}
}

// TestACanaryThatIsRefusedSpoilsItsOwnCellAlone.
func TestACanaryThatIsRefusedSpoilsItsOwnCellAlone(t *testing.T) {
	cells, _, canaries := tried(t, []probe.Outcome{door}, []probe.Outcome{in, door, in}, party.CLI, party.Web)
	if cells[0].Verdict != finding.NotCarriedOut || cells[1].Verdict != finding.Held || canaries != 4 {
		t.Errorf("%s, then %s, with %d canaries; want 4", cells[0].Verdict, cells[1].Verdict, canaries)
	}
	if got := parts(t, cells[1]); got != [3]probe.Outcome{in, door, in} {
		t.Errorf("the second cell was judged by %v", got)
	}
}

// TestAnEntryThatHasStoppedAnsweringIsLeftAlone, as each further certificate would wait for its whole time.
func TestAnEntryThatHasStoppedAnsweringIsLeftAlone(t *testing.T) {
	cells, knocks, canaries := tried(t, []probe.Outcome{door, dead}, []probe.Outcome{in, in, dead}, party.Kinds()...)
	if cells[0].Verdict == finding.NotCarriedOut {
		t.Errorf("the first cell was: %s", cells[0].Reason)
	}
	for _, c := range cells[1:] {
		if c.Outcome != string(dead) || c.Verdict != finding.NotCarriedOut || c.Reason == "" {
			t.Errorf("%q, %s: %s", c.Outcome, c.Verdict, c.Reason)
		}
	}
	// The second cell's canary before had its answer: it took a third cell to know.
	if knocks != 3 || canaries != 5 {
		t.Errorf("%d knocks and %d canaries, want 3 and 5", knocks, canaries)
	}
	_, knocks, _ = tried(t, []probe.Outcome{dead}, []probe.Outcome{in}, party.Kinds()...)
	if knocks != len(party.Kinds()) {
		t.Errorf("the canary was let in all the time, and only %d of %d were tried", knocks, len(party.Kinds()))
	}
}

// TestColumnWithoutTLS: where the port is seen to take calls in the clear, and lets nobody in over TLS, its cells say so; they are not
// skipped, as those of other servers would hide them. One that lets the canary in is tried as any other.
func TestColumnWithoutTLS(t *testing.T) {
	for name, test := range map[string]struct {
		inClear bool
		canary  probe.Outcome
		verdict finding.Verdict
		says    string
	}{
		"in the clear alone":                  {true, door, finding.NotCarriedOut, "none over TLS: see rpc-refuses-plaintext-nomad-rpc"},
		"in the clear and over TLS":           {true, in, finding.Held, "as Nomad 1.11.3 does"},
		"not in the clear alone, and refused": {false, door, finding.NotCarriedOut, "so was who should be let in"},
	} {
		knocks, canaries := 0, 0
		target := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", RPC: "127.0.0.1:4647", RPCInClear: true, RPCWithoutTLS: test.inClear}
		cells := matrix.TryOneByOne(t.Context(), matrix.RPCHandshake, target, everybody(t), turns(&knocks, door), turns(&canaries, test.canary), party.CLI)
		if cells[0].Verdict != test.verdict || !strings.Contains(cells[0].Reason, test.says) {
			t.Errorf("%s: %s; %s, want %s because of %q", name, cells[0].Verdict, cells[0].Reason, test.verdict, test.says)
		}
	}
}

// TestWhatLacksIsSkipped and costs no connection.
func TestWhatLacksIsSkipped(t *testing.T) {
	sent := 0
	p := turns(&sent, in)
	closed := probe.Target{Name: "server-1", Role: pki.Server}
	open := probe.Target{Name: "server-1", Role: pki.Server, RPC: "127.0.0.1:4647"}
	cells := matrix.TryOneByOne(t.Context(), matrix.Raft, closed, everybody(t), p, p, party.Server)
	cells = append(cells, matrix.TryOneByOne(t.Context(), matrix.Raft, open, party.Parties{}, p, p, party.Server)...)
	for i, says := range []string{"no address for the Raft plane", "nobody was made"} {
		if cells[i].Verdict != finding.Skipped || !strings.Contains(cells[i].Reason, says) {
			t.Errorf("%s: %s; want it skipped because of %q", cells[i].Verdict, cells[i].Reason, says)
		}
	}
	if sent != 0 {
		t.Errorf("%d probes were sent", sent)
	}
}

// TestGossipIsAskedOnce: it knows no certificates, so that one ping and its canaries are of all kinds, and each cell says so. What lacks
// a certificate is skipped all the same.
func TestGossipIsAskedOnce(t *testing.T) {
	target := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", Gossip: "127.0.0.1:4648"}
	for name, test := range map[string]struct {
		knock, before probe.Outcome
		verdict       finding.Verdict
		says          string
	}{
		"encrypted":             {probe.Denied, in, finding.Held, "as Nomad 1.11.3 does"},
		"in the clear":          {in, in, finding.Broken, "with every check on gives"},
		"its canary is refused": {probe.Denied, probe.Denied, finding.NotCarriedOut, "the canary gave"},
		"it does not answer":    {dead, dead, finding.NotCarriedOut, "proves nothing"},
	} {
		knocks, canaries := 0, 0
		cells := matrix.TryOneByOne(t.Context(), matrix.Gossip, target, everybody(t), turns(&knocks, test.knock, in), turns(&canaries, test.before, in), party.Kinds()...)
		if knocks != 1 || canaries != 2 {
			t.Errorf("%s: %d knocks and %d canaries, want 1 and 2", name, knocks, canaries)
		}
		for i, c := range cells {
			if c.Verdict != test.verdict || !strings.Contains(c.Reason, test.says) || !strings.Contains(c.Reason, "gossip knows no certificates, so that one ping") {
				t.Errorf("%s, %s: %s because %s", name, party.Kinds()[i], c.Verdict, c.Reason)
			}
		}
	}
	knocks, canaries := 0, 0
	cells := matrix.TryOneByOne(t.Context(), matrix.Gossip, target, party.Parties{}, turns(&knocks, in), turns(&canaries, in), party.Kinds()...)
	for i, c := range cells {
		if c.Verdict != finding.Skipped || knocks+canaries > 0 {
			t.Errorf("%s, which is not at hand: %s because %s, %d knocks", party.Kinds()[i], c.Verdict, c.Reason, knocks+canaries)
		}
	}
}
