package load

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/timeline"
)

// record collects the history from several goroutines, and tells the timeline.
type record struct {
	timeline *timeline.Recorder
	// silence is the time without a success of a kind from which on the timeline shows a gap, on a quiet machine.
	silence map[Kind]time.Duration

	mu sync.Mutex
	h  History
	// succeeded is when a call of the kind succeeded last.
	succeeded map[Kind]time.Time
	// failing are failed attempts of the same kind that are told together.
	failing map[failure]*failing
	// allocations are indexes in h.Allocations, by ID; healths in h.Health and leaders in h.Leaders, by node, of the last ones.
	allocations, healths, leaders map[string]int
}

// failure is what failed attempts, or failed calls, have in common.
type failure struct {
	kind Kind
	// node is the one that an attempt went to. Empty: it is a call that failed, through whichever servers.
	node    string
	outcome Outcome
}

type failing struct {
	from, until time.Time
	attempts    int
	last        string
}

const (
	// together is the longest time between two failed attempts that the timeline shows as one event.
	together = 2 * time.Second
	// quiet is the shortest time without a success that the timeline shows, and quietCalls how many calls it lacks at least.
	quiet      = 2 * time.Second
	quietCalls = 5
)

func newRecord(t *timeline.Recorder, o Options) *record {
	silence := func(rate float64) time.Duration {
		return max(quiet, time.Duration(quietCalls/rate*float64(time.Second)))
	}
	return &record{
		timeline:  t,
		silence:   map[Kind]time.Duration{Write: silence(o.Writes), Read: silence(o.Reads)},
		h:         History{Writes: o.Writes, Reads: o.Reads, Policy: o.Policy},
		succeeded: map[Kind]time.Time{}, failing: map[failure]*failing{},
		allocations: map[string]int{}, healths: map[string]int{}, leaders: map[string]int{},
	}
}

func (r *record) begin(lab, driver string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Lab, r.h.Driver, r.h.Started = lab, driver, at
	r.succeeded[Write], r.succeeded[Read] = at, at
	clear(r.failing)
}

// end ends the time of the load, and tells what was still going on.
func (r *record) end(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Ended = at
	for _, k := range []Kind{Write, Read} {
		r.gap(k, at)
	}
	for f, x := range maps.All(r.failing) {
		r.tellFailing(f, x)
	}
	clear(r.failing)
}

func (r *record) running() bool { return !r.h.Started.IsZero() && r.h.Ended.IsZero() }

// add notes a call.
func (r *record) add(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Calls = append(r.h.Calls, c)
	switch {
	case c.Acknowledged:
		r.gap(c.Kind, c.End)
		if c.End.After(r.succeeded[c.Kind]) {
			r.succeeded[c.Kind] = c.End
		}
	case !c.Abandoned:
		f := failure{kind: c.Kind}
		if n := len(c.Attempts); n > 0 {
			f.outcome = c.Attempts[n-1].Outcome
		}
		if r.failed(f, c.Start, c.End, "") == 1 {
			r.timeline.Add(timeline.Event{At: c.Start, End: c.End, Kind: timeline.Call, Bad: true, Text: fmt.Sprintf("a %s failed: %v", c.Kind, c.err())})
		}
	}
}

// gap tells the time since the last success, if it is long.
func (r *record) gap(k Kind, until time.Time) {
	from := r.succeeded[k]
	if length := until.Sub(from); length > r.silence[k] && length > deadline.Stretch(r.silence[k]) {
		r.timeline.Add(timeline.Event{At: from, End: until, Kind: timeline.Call, Bad: true, Text: fmt.Sprintf("no %s succeeded for %.1f s", k, length.Seconds())})
	}
}

// failedAttempt tells a failed attempt of a write or read, with those of the same kind around it.
func (r *record) failedAttempt(k Kind, a Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, told := r.silence[k]; !told || !r.running() {
		return
	}
	r.failed(failure{k, a.Node, a.Outcome}, a.Start, a.End, a.Error)
}

// failed notes a failure, and returns how many of its kind are together now.
func (r *record) failed(f failure, from, until time.Time, text string) int {
	x := r.failing[f]
	if x != nil && until.Sub(x.until) > together {
		r.tellFailing(f, x)
		x = nil
	}
	if x == nil {
		x = &failing{from: from}
		r.failing[f] = x
	}
	x.until, x.last = until, text
	x.attempts++
	return x.attempts
}

// tellFailing tells failures that are together. The first one of failed calls was told when it happened.
func (r *record) tellFailing(f failure, x *failing) {
	if f.node == "" {
		if x.attempts > 1 {
			r.timeline.Add(timeline.Event{
				At: x.from, End: x.until, Kind: timeline.Call, Bad: true, Text: fmt.Sprintf("%d %ss failed (%s)", x.attempts, f.kind, f.outcome),
			})
		}
		return
	}
	times := "an attempt of a"
	if x.attempts > 1 {
		times = fmt.Sprintf("%d attempts of a", x.attempts)
	}
	r.timeline.Add(timeline.Event{
		At: x.from, End: x.until, Kind: timeline.Call, Node: f.node, Text: fmt.Sprintf("%s %s failed (%s): %s", times, f.kind, f.outcome, x.last),
	})
}

func (r *record) final(f Final) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Final = append(r.h.Final, f)
}

func (r *record) unknown(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Unknown = append(r.h.Unknown, text)
}

func (r *record) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Notes = append(r.h.Notes, text)
}

// health notes the outcome of a health poll.
func (r *record) health(a Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, seen := r.healths[a.Node]; seen && r.h.Health[at].Outcome == a.Outcome {
		r.h.Health[at].Until, r.h.Health[at].Polls = a.End, r.h.Health[at].Polls+1
		return
	}
	r.healths[a.Node] = len(r.h.Health)
	r.h.Health = append(r.h.Health, Health{Node: a.Node, From: a.Start, Until: a.End, Polls: 1, Outcome: a.Outcome, Error: a.Error})
}

// leader notes the leader that a server names.
func (r *record) leader(node, leader string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, seen := r.leaders[node]; seen && r.h.Leaders[last].Leader == leader {
		return
	}
	r.leaders[node] = len(r.h.Leaders)
	r.h.Leaders = append(r.h.Leaders, LeaderSeen{At: at, Node: node, Leader: leader})
}

// connection notes that a connection was opened, and returns where it is in the history.
func (r *record) connection(c Connection) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Connections = append(r.h.Connections, c)
	return len(r.h.Connections) - 1
}

// changeConnection changes what is noted of a connection.
func (r *record) changeConnection(at int, change func(*Connection)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.h.Connections[at])
}

// history returns a copy of what was noted, the calls in order of their start.
func (r *record) history() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.h
	h.Calls = slices.Clone(h.Calls)
	slices.SortStableFunc(h.Calls, func(a, b Call) int { return a.Start.Compare(b.Start) })
	h.Final, h.Connections, h.Health, h.Leaders = slices.Clone(h.Final), slices.Clone(h.Connections), slices.Clone(h.Health), slices.Clone(h.Leaders)
	h.Allocations, h.Unknown, h.Notes = slices.Clone(h.Allocations), slices.Clone(h.Unknown), slices.Clone(h.Notes)
	for i := range h.Allocations {
		h.Allocations[i].States = slices.Clone(h.Allocations[i].States)
	}
	return h
}

func (r *record) acknowledgedWrites() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.h.Calls {
		if c.Kind == Write && c.Acknowledged {
			n++
		}
	}
	return n
}
