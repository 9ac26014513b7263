package load

import (
	"time"
)

// Kind is a kind of call.
type Kind string

// The kinds of calls.
const (
	// Write writes a variable with check-and-set.
	Write Kind = "write"
	// Read reads a variable, not stale.
	Read Kind = "read"
)

// History is everything that a load called and saw. It holds no secret.
type History struct {
	Lab     string    `json:"lab"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Driver is what ran the load's tasks. Empty: the lab has no client, and the load no jobs.
	Driver string `json:"driver,omitempty"`
	// Writes and Reads are how many a second were to be begun.
	Writes float64 `json:"writes_per_second"`
	Reads  float64 `json:"reads_per_second"`
	Policy Policy  `json:"policy"`
	Calls  []Call  `json:"calls"`
	// Final is what each server had in the end.
	Final       []Final      `json:"final"`
	Allocations []Allocation `json:"allocations"`
	Connections []Connection `json:"connections"`
	Health      []Health     `json:"health"`
	Leaders     []LeaderSeen `json:"leaders"`
	// Unknown says what could not be found out, such as the allocations at the end.
	Unknown []string `json:"unknown,omitempty"`
	// Notes say what else the reader should know, such as a connection that was never opened.
	Notes []string `json:"notes,omitempty"`
}

// Call is one write or read, with all its attempts.
type Call struct {
	Kind     Kind   `json:"kind"`
	Variable string `json:"variable"`
	// Value is the number that was written, or that was read: 0 is a variable that is not there, and Foreign one that this load
	// did not write.
	Value int64 `json:"value"`
	// After is the number on whose index the last attempt of a write was conditional.
	After int64     `json:"after,omitempty"`
	Start time.Time `json:"start"`
	// End is when the last attempt ended.
	End      time.Time `json:"end"`
	Attempts []Attempt `json:"attempts"`
	// Acknowledged is true for a write that a server acknowledged, or that was found to be there after its answer was lost; and for
	// a read with an answer.
	Acknowledged bool `json:"acknowledged"`
	// Ambiguous is true for a write that was not acknowledged and may have been done.
	Ambiguous bool `json:"ambiguous,omitempty"`
	// Abandoned is true for a call that the end of the load cut short. It has not failed.
	Abandoned bool `json:"abandoned,omitempty"`
}

// Foreign is the Value of a variable that has what its writer did not write.
const Foreign = -1

// Attempt is one request of a call.
type Attempt struct {
	Node    string    `json:"node"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Outcome Outcome   `json:"outcome"`
	// Error is what was said, shortened; empty for OK.
	Error string `json:"error,omitempty"`
	// Found is the number that a write with the outcome Conflict found instead of the one that it was conditional on. Nil: unknown.
	Found *int64 `json:"found,omitempty"`
}

// Final is what one server had in the end, when it had caught up with the leader.
type Final struct {
	Node     string `json:"node"`
	Variable string `json:"variable"`
	Value    int64  `json:"value"`
	// Error is why it is not known. Empty: it is.
	Error string `json:"error,omitempty"`
}

// Allocation is one allocation of a job of the load.
type Allocation struct {
	ID   string `json:"id"`
	Job  string `json:"job"`
	Node string `json:"node"`
	// Initial is true for an allocation that was there when the load began.
	Initial bool `json:"initial"`
	// Gone is when the cluster no longer had it. Zero: it had it at the end.
	Gone time.Time `json:"gone,omitzero"`
	// States are its states in order of time, from the first one that was seen.
	States []AllocationState `json:"states"`
}

// AllocationState is the state of an allocation from some time on.
type AllocationState struct {
	At time.Time `json:"at"`
	// Client and Desired are Nomad's client status and desired status.
	Client  string `json:"client"`
	Desired string `json:"desired"`
	// Started is when its last task was started, as Nomad has it: a restarted task has a later one.
	Started time.Time `json:"started"`
	// Restarts counts the restarts of all of its tasks.
	Restarts uint64 `json:"restarts"`
	// Ended is true if every task has ended without a failure.
	Ended bool `json:"ended,omitempty"`
}

// Connection is one session of a long-lived connection, from its opening until it ended.
type Connection struct {
	// What is it: "blocking query", "event stream", "monitor", "exec session".
	What string `json:"what"`
	// Node is the agent that it goes to.
	Node   string    `json:"node"`
	Opened time.Time `json:"opened"`
	Ended  time.Time `json:"ended"`
	// Cut is the outcome that ended it. Empty: the load ended it.
	Cut   Outcome `json:"cut,omitempty"`
	Error string  `json:"error,omitempty"`
	// Reopened is when the next session was opened. Zero: it was not.
	Reopened time.Time `json:"reopened,omitzero"`
	// Attempts is how many attempts the reopening took.
	Attempts int `json:"attempts,omitempty"`
}

// Health is a time in which an agent's answers to health polls were the same.
type Health struct {
	Node string    `json:"node"`
	From time.Time `json:"from"`
	// Until is the last poll with this outcome.
	Until   time.Time `json:"until"`
	Polls   int       `json:"polls"`
	Outcome Outcome   `json:"outcome"`
	Error   string    `json:"error,omitempty"`
}

// LeaderSeen is the leader that a server names, from some time on.
type LeaderSeen struct {
	At   time.Time `json:"at"`
	Node string    `json:"node"`
	// Leader is the leader's name, or its address if it is no node of the lab. Empty: the server names none, or does not answer.
	Leader string `json:"leader"`
}
