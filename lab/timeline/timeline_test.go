package timeline_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/timeline"
)

var began = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }

// renewal is a made-up timeline with an event of each form.
func renewal() timeline.Timeline {
	var r timeline.Recorder
	r.Add(timeline.Event{At: at(3.2), End: at(4.6), Kind: timeline.Effect, Node: "server-2", Text: "restart"})
	r.Add(timeline.Event{At: at(0), Kind: timeline.Leader, Node: "server-1", Text: "leads"})
	r.Add(timeline.Event{At: at(3), End: at(6), Kind: timeline.Step, Node: "server-2", Text: "Renew server-2"})
	for i := range 40 {
		r.Add(timeline.Event{At: at(3.3 + float64(i)/50), Kind: timeline.Call, Node: "server-2", Text: "a read failed: connection refused", Bad: true})
	}
	r.Add(timeline.Event{At: at(9), Kind: timeline.Call, Node: "server-2", Text: "a read failed: connection refused", Bad: true})
	r.Add(timeline.Event{At: at(10), Kind: timeline.Posture, Text: "23 checks pass"})
	t := r.Timeline("Renew every certificate", timeline.Node{Name: "server-1", Role: "server"}, timeline.Node{Name: "server-2", Role: "server"})
	t.Load = []timeline.Line{{Name: "writes", Text: "120 acknowledged, none lost"}, {Name: "reads", Text: "2 failed after retry", Bad: true}}
	return t
}

func written(t *testing.T, l timeline.Timeline) string {
	t.Helper()
	var b bytes.Buffer
	if err := l.Text(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) { golden.Assert(t, written(t, renewal()), "renewal.txt") }

func TestJSON(t *testing.T) {
	encoded, err := json.MarshalIndent(renewal(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(encoded)+"\n", "renewal.json")
	var back timeline.Timeline
	if err := json.Unmarshal(encoded, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(renewal(), back); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestTextOfNothing(t *testing.T) {
	if got := written(t, (*timeline.Recorder)(nil).Timeline("Nothing")); got != "Nothing: nothing was recorded\n" {
		t.Errorf("got %q", got)
	}
}

// TestTextOfHostileTexts: what an agent answers can neither begin a line nor act on a terminal.
func TestTextOfHostileTexts(t *testing.T) {
	const nasty = "x\x1b[2J\r\n+1.0 s all is well\x00\u202e\xff"
	var r timeline.Recorder
	r.Add(timeline.Event{At: at(0), Kind: timeline.Call, Node: nasty, Text: nasty})
	l := r.Timeline(nasty)
	l.Load = []timeline.Line{{Name: nasty, Text: nasty}}
	got := written(t, l)
	if strings.Count(got, "\n") != 3 || strings.ContainsAny(got, "\x1b\r\x00\u202e") || !utf8.ValidString(got) {
		t.Errorf("got %q", got)
	}
}

func TestMergeKeepsApart(t *testing.T) {
	one := timeline.Event{At: at(0), Kind: timeline.Call, Node: "a", Text: "failed", Bad: true}
	other := func(change func(*timeline.Event)) timeline.Event { e := one; change(&e); return e }
	for name, second := range map[string]timeline.Event{
		"another node":     other(func(e *timeline.Event) { e.Node = "b" }),
		"another text":     other(func(e *timeline.Event) { e.Text = "cut" }),
		"another kind":     other(func(e *timeline.Event) { e.Kind = timeline.Connection }),
		"bad and not":      other(func(e *timeline.Event) { e.Bad = false }),
		"later than burst": other(func(e *timeline.Event) { e.At = at(1.01) }),
	} {
		if got := timeline.Merge([]timeline.Event{one, second}); len(got) != 2 {
			t.Errorf("%s: merged: %+v", name, got)
		}
	}
	step := other(func(e *timeline.Event) { e.Kind = timeline.Step })
	if got := timeline.Merge([]timeline.Event{step, step}); len(got) != 2 {
		t.Errorf("steps are merged: %+v", got)
	}
	within := other(func(e *timeline.Event) { e.At, e.End = at(0.5), at(2) })
	want := other(func(e *timeline.Event) { e.End, e.Count = at(2.9), 3 })
	last := other(func(e *timeline.Event) { e.At = at(2.9) })
	if diff := cmp.Diff([]timeline.Event{want}, timeline.Merge([]timeline.Event{last, one, within})); diff != "" {
		t.Errorf("a burst (-want +got):\n%s", diff)
	}
}
