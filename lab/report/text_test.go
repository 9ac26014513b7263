package report_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

func asText(o report.TextOptions) func(io.Writer, finding.Report) error {
	return func(w io.Writer, r finding.Report) error { return report.Text(w, r, o) }
}

func TestText(t *testing.T) {
	golden.Assert(t, told(t, sample(t), asText(report.TextOptions{})), "short.txt")
}

// What needs attention may not drown: some 100 checks at five nodes are told on two screens.
func TestTextIsShort(t *testing.T) {
	got := told(t, sample(t), asText(report.TextOptions{Width: 80}))
	lines := strings.Split(got, "\n")
	if len(lines) > 100 {
		t.Errorf("%d lines, want 100 at most:\n%s", len(lines), got)
	}
	for _, l := range lines {
		if text.StringWidthWithoutEscSequences(l) > 80 && !strings.HasPrefix(l, "lab sample") {
			t.Errorf("wider than 80 columns: %q", l)
		}
	}
}

func TestTextVerboseHasAllOfIt(t *testing.T) {
	r := sample(t)
	short := told(t, r, asText(report.TextOptions{}))
	verbose := told(t, r, asText(report.TextOptions{Verbose: true, Width: 2000}))
	for _, f := range r.Findings {
		if !strings.Contains(verbose, f.ID) {
			t.Errorf("%s is not there", f.ID)
		}
		if f.Result == finding.Pass && strings.Contains(short, f.ID+" ") && f.ID != "rpc-refuses-plaintext" {
			t.Errorf("%s held and is told without being asked for", f.ID)
		}
	}
	for _, want := range []string{
		"control before", "control after", "log       2026-11-22T08:30:06.102Z", "presented server.global.nomad",
		"error     remote error: tls: bad certificate", "control   the same with a server's certificate",
		"CERTIFICATE", "BROKEN: let in",
	} {
		if !strings.Contains(verbose, want) {
			t.Errorf("verbose: %q is not there", want)
		}
		if strings.Contains(short, want) {
			t.Errorf("short: %q is there without being asked for", want)
		}
	}
}

func TestTextColours(t *testing.T) {
	text.EnableColors() // a test's own environment may have switched them off
	plain := told(t, sample(t), asText(report.TextOptions{}))
	painted := told(t, sample(t), asText(report.TextOptions{Colour: true}))
	if strings.Contains(plain, "\x1b") {
		t.Error("there are colours that nobody asked for")
	}
	if !strings.Contains(painted, text.Colors{text.Bold, text.FgRed}.Sprint("BROKEN")) {
		t.Error("what is broken is not red")
	}
	if text.StripEscape(painted) != plain {
		t.Error("colours change the text")
	}
}

// What is the same but for the node's name is told once.
func TestTextPutsTheSameTogether(t *testing.T) {
	finds := func(node, reason string, v finding.Result) finding.Finding {
		return finding.Finding{ID: "a", Plane: "RPC", Node: node, Result: v, Outcome: "accepted", Reason: reason}
	}
	got := told(t, finding.Report{
		Cluster: finding.Cluster{Nodes: []finding.Node{{Name: "n-1"}, {Name: "n-10"}, {Name: "n-2"}}},
		Findings: []finding.Finding{
			finds("n-1", "n-1 let it in", finding.Fail), finds("n-10", "n-10 let it in", finding.Fail),
			finds("n-2", "n-1 let it in", finding.Fail),
		},
	}, asText(report.TextOptions{}))
	for _, want := range []string{"at        n-1, n-10 (2 of 3 nodes)", "because   the agent let it in", "at        n-2\n", "because   n-1 let it in"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, got)
		}
	}
}

// What many checks could not be tried for is told once; a few are told one by one.
func TestTextSumsUpWhatCouldNotBeTried(t *testing.T) {
	r := finding.Report{Cluster: finding.Cluster{Nodes: []finding.Node{{Name: "n-1"}, {Name: "n-2"}}}}
	add := func(id, node, reason string, v finding.Result) {
		r.Findings = append(r.Findings, finding.Finding{ID: id, Plane: "RPC", Node: node, Result: v, Reason: reason})
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		add(id, "n-1", "fine", finding.Pass)
		add(id, "n-2", "n-2 does not run", finding.Inconclusive)
	}
	add("e", "n-2", "another reason", finding.Inconclusive)
	got := told(t, r, asText(report.TextOptions{}))
	for want, times := range map[string]int{"the agent does not run": 1, "    4  at n-2: the agent does not run: a, b, c, d": 1, "NOT CARRIED OUT  e": 1, "NOT CARRIED OUT  a": 0} {
		if strings.Count(got, want) != times {
			t.Errorf("%q is there %d times, want %d:\n%s", want, strings.Count(got, want), times, got)
		}
	}
	if verbose := told(t, r, asText(report.TextOptions{Verbose: true})); strings.Count(verbose, "the agent does not run") != 4 {
		t.Errorf("verbose does not tell each:\n%s", verbose)
	}
}

// A cluster that keeps next to nothing is told of in what a person reads: the worst in full, the rest in a line each.
func TestTextOfMuchThatIsBroken(t *testing.T) {
	r := finding.Report{Matrix: &finding.Matrix{Rows: []finding.MatrixRow{{Certificate: "none"}}}}
	for i := range 50 {
		r.Findings = append(r.Findings, finding.Finding{
			ID: fmt.Sprintf("check-%d", i), Plane: "RPC", Node: "n-1", Result: finding.Fail, Severity: "low", Why: "it matters",
		})
		r.Matrix.Rows[0].Cells = append(r.Matrix.Rows[0].Cells, finding.Cell{Endpoint: "RPC", Result: finding.Fail})
	}
	r.Findings[49].Severity = "critical"
	got, verbose := told(t, r, asText(report.TextOptions{})), told(t, r, asText(report.TextOptions{Verbose: true}))
	if full := strings.Count(got, "it matters"); full != 8 || strings.Count(verbose, "it matters") != 50 {
		t.Errorf("%d of 50 are told in full", full)
	}
	for _, f := range r.Findings {
		if !strings.Contains(got, "BROKEN  "+f.ID+" ") {
			t.Errorf("%s is not there", f.ID)
		}
	}
	if at := strings.Index(got, "check-49"); at < 0 || at > strings.Index(got, "check-0 ") {
		t.Error("the worst does not come first")
	}
	if !strings.Contains(got, "and 42 more cells, which -v lists") {
		t.Errorf("the cells are not summed up:\n%s", got)
	}
}

// TestSeenAsWanted: what was seen as wanted, and proves nothing for another reason, is not told as if another thing was wanted.
func TestSeenAsWanted(t *testing.T) {
	of := func(outcome string) string {
		return told(t, finding.Report{Findings: []finding.Finding{{
			ID: "a-check", Title: "a promise", Plane: "HTTP", Severity: "high", Node: "server-1", Result: finding.Inconclusive,
			Outcome: outcome, Want: []string{"denied", "refused in the handshake"}, Reason: "the control was not let in",
		}}}, asText(report.TextOptions{}))
	}
	for outcome, says := range map[string]string{
		"refused in the handshake": "refused in the handshake, as wanted\n",
		"not reached":              "not reached; wanted was: denied or refused in the handshake\n",
	} {
		if got := of(outcome); !strings.Contains(got, says) {
			t.Errorf("%q is not in:\n%s", says, got)
		}
	}
}
