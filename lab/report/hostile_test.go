package report_test

import (
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/timeline"
)

// Texts that an agent, or an attacker between it and the prober, could answer.
const (
	scriptTag     = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'">`
	terminalCodes = "\x1b[2J\x1b[1;1Hall well\x07\x00\b"
	rightToLeft   = "\u202edeah eb ot"
	notUTF8       = "\xff\xfe"
	tableRow      = "| a | `b` | @everyone #1 [x](https://evil.example) ]]> </system-out>"
	hostileText   = scriptTag + terminalCodes + rightToLeft + notUTF8 + tableRow + "\r\nsecond line"
)

// hostile is a report of which every text is nasty, except results and directions.
func hostile() finding.Report {
	evidence := []finding.Evidence{{
		Part: finding.Probe, Did: hostileText, Outcome: hostileText, Sent: hostileText, Received: hostileText, TLSVersion: hostileText, CipherSuite: hostileText,
		ServerCertificate: hostileText, Error: hostileText, Lines: []string{hostileText, hostileText},
	}}
	f := finding.Finding{
		ID: hostileText, Title: hostileText, Plane: hostileText, Kind: hostileText, Severity: hostileText, Node: hostileText, Control: hostileText, Known: hostileText,
		Want: []string{hostileText}, Outcome: hostileText, Result: finding.Fail, Reason: hostileText, Why: hostileText, Evidence: evidence, CertificateOf: hostileText,
		Settings: []string{hostileText, "unset" + hostileText},
	}
	passes, odd := f, f
	passes.ID, passes.Result = "passes"+hostileText, finding.Pass
	odd.ID, odd.Result = "odd"+hostileText, finding.Result(hostileText)
	skipped := f
	skipped.ID, skipped.Result = "skipped"+hostileText, finding.Skipped
	return finding.Report{
		Cluster: finding.Cluster{
			Name: hostileText, Nomad: hostileText, Engine: hostileText,
			Nodes:        []finding.Node{{Name: hostileText, Role: hostileText, Region: hostileText, Address: hostileText, HTTP: hostileText, RPC: hostileText, State: hostileText}},
			Certificates: []finding.Certificate{{Holder: hostileText, Subject: hostileText, Issuer: hostileText, Names: []string{hostileText}, Key: hostileText}},
		},
		Findings: []finding.Finding{f, passes, odd, skipped},
		Matrix: &finding.Matrix{Node: hostileText, Nodes: []string{hostileText}, Endpoints: []string{hostileText}, Rows: []finding.MatrixRow{{
			Certificate: hostileText, Title: hostileText,
			Cells: []finding.Cell{{
				Endpoint: hostileText, Want: hostileText, Outcome: hostileText, Result: finding.Fail, Reason: hostileText, Evidence: evidence,
			}},
		}}},
		Configuration: hostileConfiguration(hostileText), Comparison: hostileComparison(hostileText), Timeline: hostileTimeline(hostileText),
	}
}

// hostileConfiguration has the given text everywhere: a user's file may come with a pull request from outside.
func hostileConfiguration(text string) *finding.Configuration {
	return &finding.Configuration{
		Files:    []finding.ConfigurationFile{{Role: text, Path: text}, {Role: text, Path: text}},
		Settings: []finding.Setting{{Role: text, Path: text, Value: text, File: text, Line: 1}},
		Replaced: []finding.Replaced{
			{Role: text, File: text, Line: 1, Setting: text, Was: text, Became: text, Because: text},
			{Role: text, File: text, Line: 2, Setting: text, Was: text, Because: text},
			{Role: text, Setting: text, Became: text, Because: "added" + text},
		},
	}
}

// hostileComparison has a change of each direction, and one of an unknown direction.
func hostileComparison(text string) *finding.Comparison {
	c := &finding.Comparison{With: text}
	for _, direction := range []finding.Direction{finding.Weaker, finding.Stronger, finding.Unclear, finding.Direction(text)} {
		state := finding.State{Result: finding.Result(text), Outcome: text, Reason: text}
		c.Changes = append(c.Changes, finding.Change{
			ID: string(direction) + text, Title: text, Plane: text, Severity: text, Before: state, After: state, Direction: direction, Text: text,
			Setting: text, File: text, Line: 1,
		})
	}
	return c
}

// hostileTimeline has events of each kind, two of them at the same time, and one that is before the start.
func hostileTimeline(text string) *timeline.Timeline {
	t := &timeline.Timeline{
		Title: text, Started: sampleStart, Ended: sampleStart.Add(time.Second), Nodes: []timeline.Node{{Name: text, Role: text}, {Name: "a", Role: "server"}},
		Load: []timeline.Line{{Name: text, Text: text, Bad: true}, {Name: text, Text: text}},
	}
	for _, k := range []timeline.Kind{
		timeline.Step, timeline.Step, timeline.Effect, timeline.Leader, timeline.Member, timeline.Certificate, timeline.Call, timeline.Allocation,
		timeline.Connection, timeline.Posture, timeline.Agent, timeline.Kind(text),
	} {
		t.Events = append(t.Events,
			timeline.Event{Kind: k, Node: text, Region: text, Work: text, Text: text, At: sampleStart, End: sampleStart.Add(time.Hour), Bad: true, Count: 2},
			timeline.Event{Kind: k, Node: "a", Text: text, At: sampleStart.Add(-time.Hour)})
	}
	return t
}

// long is a report of which every text is longer than any screen.
func long() finding.Report {
	r := hostile()
	text := strings.Repeat("a text without an end ", 200) + strings.Repeat("x", 4000)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Title, f.Reason, f.Why, f.Known, f.Control, f.Node = text, text, text, text, text, text
		f.Evidence = []finding.Evidence{{Part: finding.Probe, Did: text, Received: text, Lines: []string{text}}}
	}
	r.Configuration, r.Comparison, r.Timeline = hostileConfiguration(text), hostileComparison(text), hostileTimeline(text)
	return r
}
