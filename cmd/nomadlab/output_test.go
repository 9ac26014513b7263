package main

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

func TestLogsAreInTheOrderOfTime(t *testing.T) {
	source := func(prefix, text string) *logSource {
		return &logSource{prefix: prefix, lines: bufio.NewReader(strings.NewReader(text))}
	}
	const at = "    2026-01-02T03:04:05."
	var out strings.Builder
	err := stream{Writer: &out}.merge([]*logSource{
		source("a | ", "==> starting\n"+at+"100Z [INFO] a1\n"+at+"300Z [INFO] a3\nmore of a3\n"+at+"500Z a5"),
		source("b | ", at+"200Z b2\n"+at+"400Z b4\n"),
		source("c | ", ""),
	})
	want := "a | ==> starting\na | " + at + "100Z [INFO] a1\nb | " + at + "200Z b2\na | " + at + "300Z [INFO] a3\na | more of a3\nb | " + at + "400Z b4\na | " + at + "500Z a5\n"
	if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
		t.Errorf("error %v, -want +got:\n%s", err, diff)
	}
}

func TestNodesInATable(t *testing.T) {
	var out strings.Builder
	stream{Writer: &out}.nodes(lab.Status{Nodes: []lab.NodeStatus{
		{
			Name: "server-1", Role: "server", State: "alive", Leader: true, Voter: true, Address: "172.30.0.11", HTTP: "https://127.0.0.1:1",
			CertificateExpires: time.Now().Add(7*24*time.Hour - time.Minute), Gossip: lab.GossipEncrypted,
		},
		{Name: "server-2", Role: "server", State: "no answer", Gossip: lab.GossipOpen, Address: "172.30.0.12", HTTP: "http://127.0.0.1:2", CertificateExpires: time.Now().Add(-time.Second)},
		{Name: "client-1", Role: "client", State: "stopped", Address: "172.30.0.13"},
		{Name: "extra", Role: "client", State: "stopped", ExtraNode: true, Address: "172.30.0.14"},
	}})
	want := `
NODE      ROLE    STATE       RAFT      ADDRESS      HTTPS               CERT     GOSSIP
server-1  server  alive       leader    172.30.0.11  127.0.0.1:1         6d 23h   encrypted
server-2  server  no answer   no voter  172.30.0.12  http://127.0.0.1:2  expired  open
client-1  client  stopped     -         172.30.0.13  -                   -        -
extra     client  extra node  -         172.30.0.14  -                   -        -
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m 1s", 3*time.Hour + 59*time.Second: "3h 0m", 50 * time.Hour: "2d 2h",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestColourIsForTerminals(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	coloured := stream{colour: true}.bad("x")
	if coloured == "x" || !strings.Contains(coloured, "x") {
		t.Errorf("%q has no colour", coloured)
	}
	if s := newApp().stream(&strings.Builder{}); s.terminal || s.bad("x") != "x" {
		t.Errorf("a buffer is taken for a terminal")
	}
}

func TestProgressInPlainLines(t *testing.T) {
	var out strings.Builder
	p := newProgress(stream{Writer: &out})
	p.event(lab.Event{Phase: "nomad", Text: "building: 1 package"})
	p.event(lab.Event{Phase: "nomad", Text: "building: 2 packages"}) // not repeated: too soon after the first
	p.event(lab.Event{Phase: "nomad", Text: "Nomad is there", Done: true})
	p.event(lab.Event{Phase: "leader", Text: "waiting for a leader"})
	p.stop()
	var got []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got = append(got, text)
	}
	if diff := cmp.Diff([]string{"building: 1 package", "Nomad is there", "waiting for a leader"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStepsShowTheControl(t *testing.T) {
	var out strings.Builder
	n := &stepPrinter{to: stream{Writer: &out}}
	n.Begin(scenario.Step{Title: "Callers are refused"}, 2, 3)
	n.Say("first\nsecond")
	n.Found(finding.Finding{
		ID: "some-check", Title: "it is refused", Node: "server-1", Result: finding.Fail, Outcome: "accepted", Reason: "wanted is refused", Took: 12 * time.Millisecond,
		Evidence: []finding.Evidence{{Part: finding.ControlBefore, Outcome: "accepted"}, {Part: finding.Probe, Outcome: "accepted"}, {Part: finding.ControlAfter, Outcome: "accepted"}},
	})
	n.End(scenario.Step{}, 20*time.Millisecond, nil)
	want := `2/3  Callers are refused
     first
     second
     FAILED server-1: it is refused: fail  12ms
         saw accepted, control before: accepted, control after: accepted
         wanted is refused
     ok done in 20ms
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNamesOfRunLabs(t *testing.T) {
	seen := map[string]bool{}
	for _, scenario := range []string{"x", "wrong-role-certificates-are-rejected", "aaaaaaaaaaaaaaaaaaaaaa-bbb"} {
		name := runName(scenario)
		if err := (spec.Spec{Name: name}).Validate(); err != nil || !strings.HasPrefix(name, "run-") {
			t.Errorf("%s: %v", name, err)
		}
		seen[name], seen[runName(scenario)] = true, true
	}
	if len(seen) != 6 {
		t.Errorf("names are met twice: %v", seen)
	}
}
