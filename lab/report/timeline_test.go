package report_test

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
	"nomadlab.internal/lab/timeline"
)

// changed is a made-up report of a renewal on the sample's nodes, with an event of each kind. It says nothing about Nomad.
func changed() finding.Report {
	began := sampleStart
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	var r timeline.Recorder
	add := func(k timeline.Kind, node, text string, times ...float64) {
		e := timeline.Event{Kind: k, Node: node, Text: text, At: at(times[0])}
		if len(times) > 1 {
			e.End = at(times[1])
		}
		e.Bad = k == timeline.Call
		r.Add(e)
	}
	add(timeline.Posture, "", "23 checks pass before", 0, 0.4)
	add(timeline.Leader, "server-1", "is the leader", 0)
	for i, node := range sampleNodes {
		add(timeline.Certificate, node, fmt.Sprintf("HTTP serves certificate …0%d", i), 0)
	}
	steps := map[string][2]float64{"server-2": {1, 3.5}, "server-3": {3.5, 6}, "server-1": {6, 11}, "client-1": {11, 13}, "client-2": {13, 15}}
	for _, node := range []string{"server-2", "server-3", "server-1", "client-1", "client-2"} {
		s := steps[node]
		add(timeline.Step, node, "Renew the certificate of "+node, s[0], s[1])
		if node == "server-1" {
			add(timeline.Effect, node, "restart", s[0]+0.2, s[0]+1.4)
			add(timeline.Agent, node, "does not answer: connection refused", s[0]+0.25, s[0]+2)
		} else {
			add(timeline.Effect, node, "reload", s[0]+0.2)
		}
		add(timeline.Certificate, node, "HTTP serves certificate …9"+node[len(node)-1:], s[0]+0.5)
	}
	add(timeline.Leader, "", "no leader that the servers agree on", 6.3)
	add(timeline.Leader, "server-3", "is the leader", 8.3)
	add(timeline.Member, "server-1", "failed in gossip", 7)
	add(timeline.Member, "server-1", "alive in gossip", 8.6)
	r.Add(timeline.Event{At: at(6.4), End: at(8.5), Kind: timeline.Call, Work: "writes", Text: "no write succeeded for 2.1 s", Bad: true})
	for i := range 40 {
		r.Add(timeline.Event{At: at(6.4 + float64(i)/20), Kind: timeline.Call, Node: "server-1", Work: "writes", Text: "a write failed: connection refused", Bad: true})
	}
	r.Add(timeline.Event{At: at(7), Kind: timeline.Call, Work: "reads", Text: "a read was tried again"})
	add(timeline.Connection, "server-1", "the blocking query was cut", 6.3)
	add(timeline.Allocation, "client-1", "allocation 1a2b3c4d of web is running", 0.2)
	add(timeline.Posture, "", "23 checks pass after", 15.2, 15.6)
	var nodes []timeline.Node
	for _, n := range sampleNodes {
		nodes = append(nodes, timeline.Node{Name: n, Role: strings.TrimRight(n, "-0123456789")})
	}
	t := r.Timeline("Renew every certificate", nodes...)
	t.Load = []timeline.Line{
		{Name: "writes", Text: "74 acknowledged, none lost; 2 failed after retry, the longest gap 2.1 s", Bad: true},
		{Name: "reads", Text: "80 answered, none stale"}, {Name: "allocations", Text: "3 stayed where they were"},
	}
	return finding.Report{
		Cluster: finding.Cluster{Name: "sample", Nomad: "1.11.3", Engine: "process"}, Started: began, Took: 16 * time.Second, Timeline: &t,
		Findings: []finding.Finding{{ID: "https-refuses-plaintext", Title: "HTTPS refuses plaintext", Plane: "HTTP", Node: "server-1", Result: finding.Pass, Outcome: "denied", Reason: "400"}},
	}
}

func TestTimelineAsText(t *testing.T) {
	golden.Assert(t, written(t, changed(), func(w io.Writer, r finding.Report) error { return report.Text(w, r, report.TextOptions{Width: 100}) }), "timeline.txt")
}

func TestTimelineAsMarkdown(t *testing.T) {
	golden.Assert(t, written(t, changed(), report.Markdown), "timeline.md")
}

func TestTimelineAsJSON(t *testing.T) {
	got := written(t, changed(), report.JSON)
	golden.Assert(t, got, "timeline.json")
	if err := schemaOf(t, true).Validate(asDocument(t, got)); err != nil {
		t.Error(err)
	}
	doc := asDocument(t, got)
	delete(doc["timeline"].(map[string]any)["events"].([]any)[0].(map[string]any), "at")
	if schemaOf(t, false).Validate(doc) == nil {
		t.Error("the schema lets an event without a time pass")
	}
}

// box is where an element is on the page.
type box struct{ Left, Right, Top, Bottom float64 }

func boxes(p *openPage, selector string) []box {
	p.t.Helper()
	return eval[[]box](p, fmt.Sprintf(`Array.from(document.querySelectorAll(%q), e => { const b = e.getBoundingClientRect(); return {Left: b.left, Right: b.right, Top: b.top, Bottom: b.bottom}; })`, selector))
}

// timelineIsDrawn: each step is where its time is, on its node's row; each bad event and gap is in red and has a symbol.
func timelineIsDrawn(t *testing.T, b chrome) {
	r := changed()
	for _, s := range []screen{desktop, phone, {width: 1280, height: 900, dark: true}} {
		p := open(t, b, pageOf(t, r), s)
		lanes := boxes(p, "#timeline .track:not(.scale) .lane")
		names := eval[[]string](p, `Array.from(document.querySelectorAll("#timeline .track:not(.scale) .who b"), e => e.textContent)`)
		if want := slices.Concat([]string{"cluster"}, sampleNodes, []string{"writes", "reads", "connections", "allocations"}); !slices.Equal(names, want) {
			t.Fatalf("rows %q, want %q", names, want)
		}
		whole := r.Timeline.Ended.Sub(r.Timeline.Started).Seconds()
		for _, e := range r.Timeline.Events {
			if e.Kind != timeline.Step {
				continue
			}
			row := slices.Index(names, e.Node)
			bars := boxes(p, fmt.Sprintf("#timeline .track:not(.scale):nth-child(%d) rect.step", row+2))
			if len(bars) != 1 {
				t.Fatalf("%s has %d bars, want 1", e.Node, len(bars))
			}
			lane, bar := lanes[row], bars[0]
			x := func(at time.Time) float64 {
				return lane.Left + (lane.Right-lane.Left)*(at.Sub(r.Timeline.Started).Seconds()+whole/50)/(whole*1.04)
			}
			if math.Abs(bar.Left-x(e.At)) > 2 || math.Abs(bar.Right-x(e.End)) > 2 {
				t.Errorf("at %d pixels the step of %s is drawn from %.0f to %.0f, want %.0f to %.0f", s.width, e.Node, bar.Left, bar.Right, x(e.At), x(e.End))
			}
			if bar.Top < lane.Top || bar.Bottom > lane.Bottom {
				t.Errorf("the step of %s is not on its row", e.Node)
			}
		}
		if got := eval[int64](p, `document.documentElement.scrollWidth`); got > s.width {
			t.Errorf("at %d pixels it is %d wide", s.width, got)
		}
		badIsSeen(p)
		p.quiet()
	}
}

func badIsSeen(p *openPage) {
	p.t.Helper()
	if got := len(boxes(p, "#timeline .track rect.none")); got != 1 {
		p.t.Errorf("%d times without a leader are drawn, want 1", got)
	}
	if got := eval[string](p, `getComputedStyle(document.querySelector("#timeline .track rect.none")).fill`); !strings.Contains(got, "#hatch-bad") {
		p.t.Errorf("a gap is filled with %s, want the pattern", got)
	}
	symbols := len(boxes(p, "#timeline .track.load .mark.bad use"))
	if symbols != 2 { // the gap, and the burst of 40
		p.t.Errorf("%d bad events have a symbol, want 2", symbols)
	}
	if red, other := eval[string](p, `getComputedStyle(document.querySelector("#timeline .track rect.bad")).stroke`), eval[string](p, `getComputedStyle(document.querySelector("#timeline .track rect.step")).stroke`); red == other {
		p.t.Errorf("what is bad has the colour of a step: %s", red)
	}
	for selector, variable := range map[string]string{"bad": "--fail", "reload": "--accent"} { // a mark takes its colour from its class
		got := eval[string](p, fmt.Sprintf(`getComputedStyle(document.querySelector("#timeline .track .mark.%s")).color`, selector))
		want := eval[string](p, fmt.Sprintf(`(e => { e.style.color = "var(%s)"; document.body.append(e); const c = getComputedStyle(e).color; e.remove(); return c; })(document.createElement("p"))`, variable))
		if got != want {
			p.t.Errorf("a mark of class %s has the colour %s, want %s", selector, got, want)
		}
	}
	if rows, events := len(boxes(p, "#timeline .events tbody tr")), len(changed().Timeline.Events); rows != events {
		p.t.Errorf("the table has %d rows, want %d", rows, events)
	}
}

// timelineNeedsNoSight: the drawing says in words what it shows, and so does the table, in which what is bad has a word.
func timelineNeedsNoSight(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, changed()), desktop)
	label := eval[string](p, `document.querySelector("#timeline .track:nth-child(3) .lane").getAttribute("aria-label")`)
	if !strings.Contains(label, "server-1: ") || !strings.Contains(label, "is the leader from +0.0 s for 6.3 s") {
		t.Errorf("the row of server-1 is described as %q", label)
	}
	if got := eval[[]string](p, `Array.from(document.querySelectorAll("#timeline .events .bad td:last-child"), e => e.textContent)`); len(got) != 2 || !strings.HasPrefix(got[0], "✕ bad: a write failed: connection refused (40 times") {
		t.Errorf("bad in the table: %q", got)
	}
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	if !p.sees("#timeline .lane") {
		t.Error("it is not printed")
	}
}
