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
	golden.Assert(t, written(t, sample(t), asText(report.TextOptions{})), "short.txt")
}

// TestTextIsShort: some 100 checks at five nodes fit on two screens.
func TestTextIsShort(t *testing.T) {
	got := written(t, sample(t), asText(report.TextOptions{Width: 80}))
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

func TestTextVerboseHasEverything(t *testing.T) {
	r := sample(t)
	short := written(t, r, asText(report.TextOptions{}))
	verbose := written(t, r, asText(report.TextOptions{Verbose: true, Width: 2000}))
	for _, f := range r.Findings {
		if !strings.Contains(verbose, f.ID) {
			t.Errorf("%s is not there", f.ID)
		}
		if f.Result == finding.Pass && strings.Contains(short, f.ID+" ") && f.ID != "rpc-refuses-plaintext" {
			t.Errorf("%s passes and is shown without -v", f.ID)
		}
	}
	for _, want := range []string{
		"control before", "control after", "log       2026-11-22T08:30:06.102Z", "presented server.global.nomad",
		"error     remote error: tls: bad certificate", "control   the same with a server's certificate",
		"CERTIFICATE", "FAIL: let in",
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
	plain := written(t, sample(t), asText(report.TextOptions{}))
	painted := written(t, sample(t), asText(report.TextOptions{Colour: true}))
	if strings.Contains(plain, "\x1b") {
		t.Error("there are colours without Colour")
	}
	if !strings.Contains(painted, text.Colors{text.Bold, text.FgRed}.Sprint("FAIL")) {
		t.Error("what fails is not red")
	}
	if text.StripEscape(painted) != plain {
		t.Error("colours change the text")
	}
}

// TestTextGroupsEqualFindings: findings that differ only in the node's name are written once.
func TestTextGroupsEqualFindings(t *testing.T) {
	finds := func(node, reason string, v finding.Result) finding.Finding {
		return finding.Finding{ID: "a", Plane: "RPC", Node: node, Result: v, Outcome: "accepted", Reason: reason}
	}
	got := written(t, finding.Report{
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

// TestTextSumsUpWhatIsInconclusive: a reason that many checks have in common is written once; a few checks are listed one by one.
func TestTextSumsUpWhatIsInconclusive(t *testing.T) {
	r := finding.Report{Cluster: finding.Cluster{Nodes: []finding.Node{{Name: "n-1"}, {Name: "n-2"}}}}
	add := func(id, node, reason string, v finding.Result) {
		r.Findings = append(r.Findings, finding.Finding{ID: id, Plane: "RPC", Node: node, Result: v, Reason: reason})
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		add(id, "n-1", "fine", finding.Pass)
		add(id, "n-2", "n-2 does not run", finding.Inconclusive)
	}
	add("e", "n-2", "another reason", finding.Inconclusive)
	got := written(t, r, asText(report.TextOptions{}))
	for want, times := range map[string]int{"the agent does not run": 1, "    4  at n-2: the agent does not run: a, b, c, d": 1, "INCONCLUSIVE  e": 1, "INCONCLUSIVE  a": 0} {
		if strings.Count(got, want) != times {
			t.Errorf("%q is there %d times, want %d:\n%s", want, strings.Count(got, want), times, got)
		}
	}
	if verbose := written(t, r, asText(report.TextOptions{Verbose: true})); strings.Count(verbose, "the agent does not run") != 4 {
		t.Errorf("verbose does not tell each:\n%s", verbose)
	}
}

// TestTextOfMuchThatFails: of many failures the worst are shown in full, and the rest in a line each.
func TestTextOfMuchThatFails(t *testing.T) {
	r := finding.Report{Matrix: &finding.Matrix{Rows: []finding.MatrixRow{{Certificate: "none"}}}}
	for i := range 50 {
		r.Findings = append(r.Findings, finding.Finding{
			ID: fmt.Sprintf("check-%d", i), Plane: "RPC", Node: "n-1", Result: finding.Fail, Severity: "low", Why: "it matters",
		})
		r.Matrix.Rows[0].Cells = append(r.Matrix.Rows[0].Cells, finding.Cell{Endpoint: "RPC", Result: finding.Fail})
	}
	r.Findings[49].Severity = "critical"
	got, verbose := written(t, r, asText(report.TextOptions{})), written(t, r, asText(report.TextOptions{Verbose: true}))
	if full := strings.Count(got, "it matters"); full != 8 || strings.Count(verbose, "it matters") != 50 {
		t.Errorf("%d of 50 are shown in full", full)
	}
	for _, f := range r.Findings {
		if !strings.Contains(got, "FAIL  "+f.ID+" ") {
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

// TestSeenAsWanted: a wanted outcome that is inconclusive for another reason is not shown as unwanted.
func TestSeenAsWanted(t *testing.T) {
	of := func(outcome string) string {
		return written(t, finding.Report{Findings: []finding.Finding{{
			ID: "a-check", Title: "a title", Plane: "HTTP", Severity: "high", Node: "server-1", Result: finding.Inconclusive,
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
