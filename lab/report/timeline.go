package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/timeline"
)

// drawnTimeline shows what happened when: a row for the cluster, for each node and for each kind of load, above a common axis.
type drawnTimeline struct {
	Title, Summary string
	Ticks          []tick
	Rows           []track
	Load           []timeline.Line
	Events         []toldEvent
}

// track is one row. Its measures are in pixels downwards, and in percent of the width sideways.
type track struct {
	Name, Role, Words string
	Height            int
	Bands, Bars       []mark
	Spans, Points     []mark
}

// mark is one thing in a row. Words say what it is, for those who point at it.
type mark struct {
	Class, Left, Width, Words string
	Y                         int
	// Label is written into the box from LabelLeft, LabelWidth wide; Anchor is start or end, and LabelX 0 or 100%.
	Label, LabelLeft, LabelWidth, Anchor, LabelX string

	from, to float64
}

// toldEvent is an event as a row of the table.
type toldEvent struct {
	timeline.Event
	When, What string
}

// The heights of a row's lanes.
const (
	bandLane, stepLane, markLane = 9, 20, 16
)

// drawnTimeline returns nil if nothing was recorded.
func (v view) drawnTimeline() *drawnTimeline {
	t := v.Timeline
	if t == nil || len(t.Events) == 0 {
		return nil
	}
	s := newScale(*t)
	out := &drawnTimeline{Title: cmp.Or(t.Title, "The timeline"), Summary: t.Summary(), Ticks: s.ticks(), Load: t.Load}
	for _, e := range t.Events {
		out.Events = append(out.Events, toldEvent{e, t.When(e), e.Words()})
	}
	for _, r := range rowsOf(*t) {
		out.Rows = append(out.Rows, s.track(r))
	}
	return out
}

// eventRow is a row before it is drawn: its events, and the times in which its node led.
type eventRow struct {
	name, role string
	events     []timeline.Event
	bands      []timeline.Event
}

// rowsOf sorts the events into rows: the cluster, the nodes, and the load.
func rowsOf(t timeline.Timeline) []*eventRow {
	rows := []*eventRow{{name: "cluster"}}
	nodes, work := map[string]*eventRow{}, map[string]*eventRow{}
	for _, n := range t.Nodes {
		nodes[n.Name] = &eventRow{name: n.Name, role: n.Role}
		rows = append(rows, nodes[n.Name])
	}
	var load []*eventRow
	for _, e := range t.Events {
		if name := workOf(e); name != "" && work[name] == nil {
			work[name] = &eventRow{name: name, role: "load"}
			load = append(load, work[name])
		}
	}
	slices.SortStableFunc(load, func(a, b *eventRow) int { return cmp.Compare(rankOfWork(a), rankOfWork(b)) })
	for _, e := range t.Events {
		row := rows[0]
		if known := nodes[e.Node]; known != nil {
			row = known
		}
		if w := work[workOf(e)]; w != nil {
			row = w
		}
		if e.Kind != timeline.Leader {
			row.events = append(row.events, e)
		}
	}
	for _, e := range leaderBands(t) {
		row := cmp.Or(nodes[e.Node], rows[0])
		row.bands = append(row.bands, e)
	}
	return append(rows, load...)
}

// workOf returns the row of the load that an event belongs to; empty if it belongs to none.
func workOf(e timeline.Event) string {
	switch e.Kind {
	case timeline.Call:
		return cmp.Or(e.Work, "calls")
	case timeline.Connection:
		return cmp.Or(e.Work, "connections")
	case timeline.Allocation:
		return "allocations"
	default:
		return ""
	}
}

// rankOfWork puts allocations last, and connections before them.
func rankOfWork(r *eventRow) int { return slices.Index([]string{"connections", "allocations"}, r.name) }

// leaderBands returns each leader with the time until the next one of its region.
func leaderBands(t timeline.Timeline) []timeline.Event {
	var out []timeline.Event
	last := map[string]int{}
	for _, e := range t.Events {
		if e.Kind != timeline.Leader {
			continue
		}
		if i, known := last[e.Region]; known {
			out[i].End = e.At
		}
		last[e.Region] = len(out)
		e.End = t.Ended
		out = append(out, e)
	}
	return out
}

// scale is the time that is shown: from the start to the end, with a margin on both sides in which marks have room.
type scale struct {
	timeline timeline.Timeline
	whole    time.Duration
	margin   time.Duration
}

func newScale(t timeline.Timeline) scale {
	whole := max(t.Ended.Sub(t.Started), time.Second/10)
	return scale{t, whole, whole / 50}
}

// percent returns where a moment is, from 0 to 100.
func (s scale) percent(at time.Time) float64 {
	return min(100, max(0, 100*float64(at.Sub(s.timeline.Started)+s.margin)/float64(s.whole+2*s.margin)))
}

func inPercent(p float64) string { return fmt.Sprintf("%.2f%%", p) }

// ticks returns labels at round seconds: few enough that they have room on a phone.
func (s scale) ticks() []tick {
	const most = 5
	step := 100 * time.Millisecond
	for _, next := range []int{2, 5, 10, 20, 50, 100, 200, 300, 600, 1200, 3000, 6000, 18000, 36000} { // tenths of a second
		if s.whole <= most*step {
			break
		}
		step = time.Duration(next) * 100 * time.Millisecond
	}
	step = max(step, (s.whole / most).Truncate(time.Second))
	var out []tick
	for at := time.Duration(0); at <= s.whole; at += step {
		label := fmt.Sprintf("%d s", at/time.Second)
		if step < time.Second {
			label = fmt.Sprintf("%.1f s", at.Seconds())
		}
		out = append(out, tick{inPercent(s.percent(s.timeline.Started.Add(at))), label})
	}
	return out
}

// track draws a row.
func (s scale) track(r *eventRow) track {
	t := track{Name: r.name, Role: r.role}
	for _, e := range r.bands {
		m := s.mark(e, 1)
		m.Class = "leader"
		if e.Node == "" {
			m.Class = "none"
		}
		t.Bands = append(t.Bands, m)
	}
	lanes := s.bars(&t, r)
	below := bandLane + lanes*stepLane
	for _, e := range r.events {
		if e.Kind == timeline.Step {
			continue
		}
		m := s.mark(e, below)
		if m.Width != "" {
			t.Spans = append(t.Spans, m)
		}
		if m.Class != "agent" {
			t.Points = append(t.Points, m)
		}
	}
	t.Height = below + markLane
	t.Words = s.words(r)
	return t
}

// bars draws the steps. Steps at the same time are below each other. It returns how many are.
func (s scale) bars(t *track, r *eventRow) (lanes int) {
	var ends [][]mark
	for _, e := range r.events {
		if e.Kind != timeline.Step {
			continue
		}
		m := s.mark(e, 0)
		m.Width = inPercent(max(m.to-m.from, 0.6))
		m.Label = e.Text
		lane := slices.IndexFunc(ends, func(bars []mark) bool { return bars[len(bars)-1].to <= m.from })
		if lane < 0 {
			lane = len(ends)
			ends = append(ends, nil)
		}
		m.Y = bandLane + lane*stepLane
		ends[lane] = append(ends[lane], m)
	}
	for _, bars := range ends {
		for i := range bars {
			placeLabel(bars, i)
		}
		t.Bars = append(t.Bars, bars...)
	}
	return len(ends)
}

// placeLabel puts the name of a bar where there is the most room: in it, behind it or before it.
func placeLabel(bars []mark, i int) {
	const enough, margin = 36, 1
	b := &bars[i]
	before, behind := b.from, 100-b.to
	if i > 0 {
		before = (b.from - bars[i-1].to) / 2 // the other half is for the label of that one
	}
	if i < len(bars)-1 {
		behind = (bars[i+1].from - b.to) / 2
	}
	b.Anchor, b.LabelX = "start", "0"
	left, width := b.from+margin/2., b.to-b.from-margin
	switch {
	case width >= enough || width >= max(before, behind):
	case behind >= before || behind >= enough:
		left, width = b.to+margin, behind-margin
	default:
		left, width = b.from-before, before-margin
		b.Anchor, b.LabelX = "end", "100%"
	}
	b.LabelLeft, b.LabelWidth = inPercent(left), inPercent(max(0, width))
}

// mark draws one event. Its Width is empty if it has no duration.
func (s scale) mark(e timeline.Event, y int) mark {
	m := mark{Class: classOf(e), Y: y, Words: strings.TrimSpace(s.timeline.When(e) + " " + strings.TrimSpace(e.Node+" "+e.Words()))}
	m.from, m.to = s.percent(e.At), s.percent(e.At)
	m.Left = inPercent(m.from)
	if e.End.After(e.At) {
		m.to = s.percent(e.End)
		m.Width = inPercent(max(m.to-m.from, 0.4))
	}
	return m
}

// classOf returns what a mark looks like. Each has a shape of its own besides its colour.
func classOf(e timeline.Event) string {
	switch {
	case e.Bad:
		return "bad"
	case e.Kind == timeline.Effect && strings.Contains(e.Text, "restart"):
		return "restart"
	case e.Kind == timeline.Effect:
		return "reload"
	case e.Kind == timeline.Agent && e.End.IsZero():
		return "change"
	case e.Kind == timeline.Agent:
		return "agent"
	case e.Kind == timeline.Posture:
		return "posture"
	case e.Kind == timeline.Certificate:
		return "served"
	default:
		return "change"
	}
}

// words sum a row up for those who do not see it. The table has each event.
func (s scale) words(r *eventRow) string {
	bad := 0
	for _, e := range r.events {
		if e.Bad {
			bad++
		}
	}
	parts := []string{fmt.Sprintf("%s: %s, %d bad", r.name, count(len(r.events), "event"), bad)}
	for _, e := range r.bands {
		parts = append(parts, fmt.Sprintf("%s from %s for %s", e.Text, s.timeline.When(e), timeline.Seconds(e.End.Sub(e.At))))
	}
	return strings.Join(parts, "; ")
}
