package timeline

import (
	"slices"
	"strings"
	"time"
)

// Timeline is what happened to a cluster from Started to Ended. It is plain data without a secret.
type Timeline struct {
	// Title says what was done, for example "Renew every certificate".
	Title   string    `json:"title"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Nodes are the rows of the drawn timeline, in order.
	Nodes []Node `json:"nodes"`
	// Load is the work beside it, summed up, a line for each kind. Nil: none ran, or it was not summed up.
	Load []Line `json:"load,omitempty"`
	// Events are in order of time.
	Events []Event `json:"events"`
}

// Node is a node of the cluster.
type Node struct {
	Name string `json:"name"`
	// Role is server or client.
	Role string `json:"role"`
}

// Line sums up one kind of work, for example writes.
type Line struct {
	Name string `json:"name"`
	// Text is a short sentence without a secret.
	Text string `json:"text"`
	// Bad is true for what was lost, failed or moved.
	Bad bool `json:"bad,omitempty"`
}

// Timeline returns what was recorded so far, merged, from the first event to the end of the last one. Without events, Started
// and Ended are zero. Callers may set them, and Load, afterwards.
func (r *Recorder) Timeline(title string, nodes ...Node) Timeline {
	t := Timeline{Title: strings.TrimSuffix(title, "."), Nodes: slices.Clone(nodes), Events: Merge(r.Events())}
	if len(t.Events) > 0 {
		t.Started, t.Ended = t.Events[0].At, t.Events[0].At
	}
	for _, e := range t.Events {
		if e.until().After(t.Ended) {
			t.Ended = e.until()
		}
	}
	return t
}

// Bad returns the events that a user of the cluster would notice.
func (t Timeline) Bad() []Event {
	return slices.DeleteFunc(slices.Clone(t.Events), func(e Event) bool { return !e.Bad })
}

// burst is the longest pause between two events of a burst.
const burst = time.Second

// Merge returns the events in order of time, each burst of the same event as one: it has the burst's Count, and lasts from the
// first to the end of the last. Events are the same if only their times differ. Only calls, connections and allocations are
// merged: each of the other kinds is a change of its own.
func Merge(events []Event) []Event {
	in := slices.Clone(events)
	inOrder(in)
	out := make([]Event, 0, len(in))
	last := map[Event]int{}
	for _, e := range in {
		same := e
		same.At, same.End, same.Count = time.Time{}, time.Time{}, 0
		i, seen := last[same]
		if seen && mayMerge(e.Kind) && e.At.Sub(out[i].until()) <= burst {
			out[i].Count = max(out[i].Count, 1) + max(e.Count, 1)
			if e.until().After(out[i].until()) {
				out[i].End = e.until()
			}
			continue
		}
		last[same] = len(out)
		out = append(out, e)
	}
	return out
}

func mayMerge(k Kind) bool { return k == Call || k == Connection || k == Allocation }
