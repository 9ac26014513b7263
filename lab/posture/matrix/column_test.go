package matrix_test

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
)

const (
	failed = probe.Failed
	dead   = probe.NotReached
)

// turns returns a probe that gives the outcomes in turn, and then the last one; sent counts how often it was sent.
func turns(sent *int, outcomes ...probe.Outcome) probe.Probe {
	return probe.New(probe.PlaneRPC, "take a turn", func(context.Context, probe.Target) probe.Observation {
		o := outcomes[min(*sent, len(outcomes)-1)]
		*sent++
		return probe.Observation{Outcome: o}
	})
}

// tried returns the cells of the kinds at the handshake of the RPC port, and how many probes and controls were sent.
func tried(t *testing.T, onProbe, control []probe.Outcome, kinds ...caller.Kind) (cells []finding.Cell, sent, controls int) {
	t.Helper()
	target := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", RPC: "127.0.0.1:4647"}
	cells = matrix.TryOneByOne(t.Context(), matrix.RPCHandshake, target, everybody(t), turns(&sent, onProbe...), turns(&controls, control...), kinds...)
	return cells, sent, controls
}

func everybody(t *testing.T) caller.Set {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := caller.Mint(a, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestResultOfACell(t *testing.T) {
	for _, test := range []struct {
		name                 string
		kind                 caller.Kind
		before, probe, after probe.Outcome
		outcome              probe.Outcome
		result               finding.Result
		says                 string
	}{
		{"refused as known", caller.CLI, in, handshake, in, handshake, finding.Pass, "as Nomad 1.11.3 does"},
		{"let in as known", caller.Server, in, in, in, in, finding.Pass, "as Nomad 1.11.3 does"},
		{"let in who should not be", caller.CLI, in, in, in, in, finding.Fail, "refused in the handshake"},
		{"let in who should not be, though the control is not", caller.CLI, handshake, in, handshake, in, finding.Fail, "refused in the handshake"},
		{"refused who should be let in", caller.Server, in, handshake, in, handshake, finding.Fail, `"accepted"`},
		{"refused otherwise than known", caller.CLI, in, after, in, after, finding.Fail, "refused in the handshake"},
		{"the control is refused before", caller.CLI, handshake, handshake, in, dead, finding.Inconclusive, `"refused in the handshake" before`},
		{"the control is refused afterwards", caller.CLI, in, handshake, handshake, dead, finding.Inconclusive, `"refused in the handshake" after`},
		{"the control is not reached before", caller.CLI, dead, handshake, in, dead, finding.Inconclusive, `"not reached" before`},
		{"the control is not reached afterwards", caller.CLI, in, handshake, dead, dead, finding.Inconclusive, `"not reached" after`},
		{"the control fails afterwards", caller.CLI, in, handshake, failed, dead, finding.Inconclusive, `"failed" after`},
		{"not reached", caller.CLI, in, dead, in, dead, finding.Inconclusive, "proves nothing"},
		{"failed", caller.CLI, in, failed, in, failed, finding.Inconclusive, "proves nothing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cells, _, _ := tried(t, []probe.Outcome{test.probe}, []probe.Outcome{test.before, test.after}, test.kind)
			c := cells[0]
			if c.Outcome != string(test.outcome) || c.Result != test.result || !strings.Contains(c.Reason, test.says) {
				t.Errorf("%q, %s: %s; want %q, %s: %s", c.Outcome, c.Result, c.Reason, test.outcome, test.result, test.says)
			}
		})
	}
}

// parts returns the outcomes of a cell's evidence, in the order of its parts.
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

// TestTheControlBetweenTwoCertificatesIsOfBoth: each cell shows two controls, and one is sent for each certificate
// and one more.
func TestTheControlBetweenTwoCertificatesIsOfBoth(t *testing.T) {
	cells, sent, controls := tried(t, []probe.Outcome{handshake}, []probe.Outcome{in}, caller.CLI, caller.Web, caller.Wildcard)
	if sent != 3 || controls != 4 {
		t.Errorf("%d probes and %d controls, want 3 and 4", sent, controls)
	}
	for _, c := range cells {
		if got := parts(t, c); got != [3]probe.Outcome{in, handshake, in} || c.Result != finding.Pass {
			t.Errorf("%v, %s: %s", got, c.Result, c.Reason)
		}
	}
}

func TestAControlThatIsRefusedSpoilsItsOwnCellAlone(t *testing.T) {
	cells, _, controls := tried(t, []probe.Outcome{handshake}, []probe.Outcome{in, handshake, in}, caller.CLI, caller.Web)
	if cells[0].Result != finding.Inconclusive || cells[1].Result != finding.Pass || controls != 4 {
		t.Errorf("%s, then %s, with %d controls; want 4", cells[0].Result, cells[1].Result, controls)
	}
	if got := parts(t, cells[1]); got != [3]probe.Outcome{in, handshake, in} {
		t.Errorf("the second cell was judged by %v", got)
	}
}

// TestAnEndpointThatHasStoppedAnsweringIsLeftAlone, as each further certificate would wait for its timeout.
func TestAnEndpointThatHasStoppedAnsweringIsLeftAlone(t *testing.T) {
	cells, sent, controls := tried(t, []probe.Outcome{handshake, dead}, []probe.Outcome{in, in, dead}, caller.Kinds()...)
	if cells[0].Result == finding.Inconclusive {
		t.Errorf("the first cell was: %s", cells[0].Reason)
	}
	for _, c := range cells[1:] {
		if c.Outcome != string(dead) || c.Result != finding.Inconclusive || c.Reason == "" {
			t.Errorf("%q, %s: %s", c.Outcome, c.Result, c.Reason)
		}
	}
	// The second cell's control before had its answer: it took a third cell to know.
	if sent != 3 || controls != 5 {
		t.Errorf("%d probes and %d controls, want 3 and 5", sent, controls)
	}
	_, sent, _ = tried(t, []probe.Outcome{dead}, []probe.Outcome{in}, caller.Kinds()...)
	if sent != len(caller.Kinds()) {
		t.Errorf("the control was let in all the time, and only %d of %d were tried", sent, len(caller.Kinds()))
	}
}

// TestColumnWithoutTLS: if the port was seen to serve without TLS, and lets no caller in over TLS, its cells say so.
// They are not skipped, as those of other servers would hide them. A port that lets the control in is tried as any
// other.
func TestColumnWithoutTLS(t *testing.T) {
	for name, test := range map[string]struct {
		inClear bool
		control probe.Outcome
		result  finding.Result
		says    string
	}{
		"in the clear alone":                  {true, handshake, finding.Inconclusive, "none over TLS: see rpc-refuses-plaintext-nomad-rpc"},
		"in the clear and over TLS":           {true, in, finding.Pass, "as Nomad 1.11.3 does"},
		"not in the clear alone, and refused": {false, handshake, finding.Inconclusive, "so was who should be let in"},
	} {
		sent, controls := 0, 0
		target := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", RPC: "127.0.0.1:4647", RPCPlaintext: true, RPCPlaintextOnly: test.inClear}
		cells := matrix.TryOneByOne(t.Context(), matrix.RPCHandshake, target, everybody(t), turns(&sent, handshake), turns(&controls, test.control), caller.CLI)
		if cells[0].Result != test.result || !strings.Contains(cells[0].Reason, test.says) {
			t.Errorf("%s: %s; %s, want %s because of %q", name, cells[0].Result, cells[0].Reason, test.result, test.says)
		}
	}
}

// TestAMissingCallerIsSkipped, and costs no connection.
func TestAMissingCallerIsSkipped(t *testing.T) {
	sent := 0
	p := turns(&sent, in)
	closed := probe.Target{Name: "server-1", Role: pki.Server}
	open := probe.Target{Name: "server-1", Role: pki.Server, RPC: "127.0.0.1:4647"}
	cells := matrix.TryOneByOne(t.Context(), matrix.Raft, closed, everybody(t), p, p, caller.Server)
	cells = append(cells, matrix.TryOneByOne(t.Context(), matrix.Raft, open, caller.Set{}, p, p, caller.Server)...)
	for i, says := range []string{"no address for the Raft plane", "nobody was made"} {
		if cells[i].Result != finding.Skipped || !strings.Contains(cells[i].Reason, says) {
			t.Errorf("%s: %s; want it skipped because of %q", cells[i].Result, cells[i].Reason, says)
		}
	}
	if sent != 0 {
		t.Errorf("%d probes were sent", sent)
	}
}

// TestGossipIsAskedOnce: one ping and its controls stand for all kinds, and each cell says so. A missing kind is
// skipped all the same.
func TestGossipIsAskedOnce(t *testing.T) {
	target := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", Gossip: "127.0.0.1:4648"}
	for name, test := range map[string]struct {
		probe, before probe.Outcome
		result        finding.Result
		says          string
	}{
		"encrypted":              {probe.Denied, in, finding.Pass, "as Nomad 1.11.3 does"},
		"in the clear":           {in, in, finding.Fail, "with every check on gives"},
		"its control is refused": {probe.Denied, probe.Denied, finding.Inconclusive, "the control gave"},
		"it does not answer":     {dead, dead, finding.Inconclusive, "proves nothing"},
	} {
		sent, controls := 0, 0
		cells := matrix.TryOneByOne(t.Context(), matrix.Gossip, target, everybody(t), turns(&sent, test.probe, in), turns(&controls, test.before, in), caller.Kinds()...)
		if sent != 1 || controls != 2 {
			t.Errorf("%s: %d probes and %d controls, want 1 and 2", name, sent, controls)
		}
		for i, c := range cells {
			if c.Result != test.result || !strings.Contains(c.Reason, test.says) || !strings.Contains(c.Reason, "gossip knows no certificates, so that one ping") {
				t.Errorf("%s, %s: %s because %s", name, caller.Kinds()[i], c.Result, c.Reason)
			}
		}
	}
	sent, controls := 0, 0
	cells := matrix.TryOneByOne(t.Context(), matrix.Gossip, target, caller.Set{}, turns(&sent, in), turns(&controls, in), caller.Kinds()...)
	for i, c := range cells {
		if c.Result != finding.Skipped || sent+controls > 0 {
			t.Errorf("%s, which is not at hand: %s because %s, %d probes", caller.Kinds()[i], c.Result, c.Reason, sent+controls)
		}
	}
}
