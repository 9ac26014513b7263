// Package timeline says what happened when: the steps of a rollout, leaders, members, certificates served, failed calls,
// allocations. It is plain data in one order of time, which reports tell in words and draw.
package timeline

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Kind says what an event is about.
type Kind string

// The kinds of events.
const (
	// Step is a step of a rollout, from its first write to the end of its waits.
	Step Kind = "step"
	// Effect is a reload or restart of an agent within a step.
	Effect Kind = "effect"
	// Leader is a change of the leader that a region's servers agree on. An empty Node: they agree on none.
	Leader Kind = "leader"
	// Member is a change of a server in gossip, of a voter in Raft, or of a client's status.
	Member Kind = "member"
	// Certificate is a change of the certificate that a port serves.
	Certificate Kind = "certificate"
	// Call is a call of the load that failed, or a time in which no call of its kind succeeded.
	Call Kind = "call"
	// Allocation is an allocation that was started, moved, restarted or lost.
	Allocation Kind = "allocation"
	// Connection is a long-held connection that was opened or cut.
	Connection Kind = "connection"
	// Posture is the result of all checks at one moment.
	Posture Kind = "posture"
	// Agent is a time in which an agent does not answer, or another leader in the view of one server.
	Agent Kind = "agent"
)

// Event is one thing that happened.
type Event struct {
	At time.Time `json:"at"`
	// End is when something that takes time ended. Zero: it has no duration.
	End  time.Time `json:"end,omitzero"`
	Kind Kind      `json:"kind"`
	// Node is the node that it concerns. Empty: the whole lab.
	Node string `json:"node,omitempty"`
	// Region is the region that a Leader event is of, in a lab with several. Empty: the only one.
	Region string `json:"region,omitempty"`
	// Work names the kind of load that a Call or Connection is of, for example "writes": its row in the drawn timeline. Empty: the
	// row of all calls or all connections.
	Work string `json:"work,omitempty"`
	// Text is what happened, as a short sentence without a secret.
	Text string `json:"text"`
	// Bad is true for what a user of the cluster would notice: a failed call, a gap, a moved allocation.
	Bad bool `json:"bad,omitempty"`
	// Count is how many events Merge has put together here. 0 and 1: it is one.
	Count int `json:"count,omitempty"`
}

// until returns when the event was over: its End, or At if it has no duration.
func (e Event) until() time.Time {
	if e.End.After(e.At) {
		return e.End
	}
	return e.At
}

// Recorder collects events from several goroutines. A nil Recorder drops them.
type Recorder struct {
	mu     sync.Mutex
	events []Event
}

// Add records an event. A zero At is now.
func (r *Recorder) Add(e Event) {
	if r == nil {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Events returns what was recorded, in order of time.
func (r *Recorder) Events() []Event {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.events)
	inOrder(out)
	return out
}

// inOrder sorts events by their beginning, then by their end.
func inOrder(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), a.End.Compare(b.End)) })
}
