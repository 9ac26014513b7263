package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/timeline"
)

// Options say which work a load does. The zero Options are a sensible load for any lab.
type Options struct {
	// Name begins the names of the jobs, and is the folder of the variables below nomadlab/. Empty: "load".
	Name string
	// Region is the Nomad region that the load works in. Empty: that of the lab's first server.
	Region string
	// Driver runs the tasks: RawExec or MockDriver. Empty: RawExec if every client has it, else MockDriver.
	Driver string
	// Token is the ACL token that every call carries: agreed beforehand, it works before and after ACLs are switched on, because
	// an agent without ACLs ignores it. Empty: each call carries the management token that the lab has at that moment, if any.
	Token string
	// Writes and Reads are how many are begun each second, all together. Zero: 5 of each. A caller begins the next call only when
	// the one before has ended, so a cluster that answers slowly sees fewer.
	Writes, Reads float64
	// Variables is how many variables are written, each by a writer of its own, and read. Zero: 3.
	Variables int
	// Policy says which calls are tried again. The zero Policy is DefaultPolicy.
	Policy Policy
	// Jobs are a user's own, which run beside the load's and must stay too. They are registered as they are.
	Jobs []*api.Job
	// WithoutConnections leaves out the long-lived connections.
	WithoutConnections bool
	// Recorder gets what happens on the timeline. Nil: nothing is recorded there.
	Recorder *timeline.Recorder
	// Progress is called with a short text for each thing that Start does. Nil: it is not told.
	Progress func(text string)
}

// The drivers of a load's tasks.
const (
	// RawExec runs a real process, which outlives its agent.
	RawExec = "raw_exec"
	// MockDriver runs nothing, and picks up its tasks again when the agent restarts (drivers/mock/driver.go:359 of Nomad 1.11.3).
	// A release of Nomad lacks it.
	MockDriver = "mock_driver"
)

// The values that stand for zero ones.
const (
	defaultName      = "load"
	defaultRate      = 5
	defaultVariables = 3
)

// Policy says how a call is tried again. nomad/api has a retry of its own for the locks of variables alone (retry.go: 500 is
// not among its codes, and an error without an answer is not tried again), so that the load's calls need one that is written
// down. An attempt goes to the next server in turn. Repeating a write is safe because of its check-and-set.
type Policy struct {
	// Attempts is how often a call is tried at most.
	Attempts int `json:"attempts"`
	// Within ends an attempt, and Pause is the time before the second one; each further pause is twice as long, up to MaxPause. All
	// are for a machine that has a processor for each runnable thread; on a busy one they are longer, as deadline.Fair says.
	Within   time.Duration `json:"within_ns"`
	Pause    time.Duration `json:"pause_ns"`
	MaxPause time.Duration `json:"max_pause_ns"`
	// Again has the outcomes after which a call is tried again. Every other one ends it.
	Again []Outcome `json:"again"`
}

// DefaultPolicy returns the policy of a caller that wants its call to succeed while one server after another restarts. Together
// its pauses are 17 s: the time in which a single server starts again, and several ballots of three.
func DefaultPolicy() Policy {
	return Policy{
		Attempts: 12, Within: 10 * time.Second, Pause: 100 * time.Millisecond, MaxPause: 2 * time.Second,
		Again: []Outcome{NotReached, Cut, TimedOut, TLSFailed, WrongScheme, NoLeader, ServerError, Throttled},
	}
}

// errOptions is wrapped by errors about Options that cannot be.
var errOptions = errors.New("invalid options of a load")

// filled returns the options with their defaults.
func (o Options) filled(l *lab.Lab) (Options, error) {
	if o.Name == "" {
		o.Name = defaultName
	}
	if o.Region == "" && len(l.Servers()) > 0 {
		o.Region = l.Servers()[0].Region()
	}
	if o.Writes == 0 {
		o.Writes = defaultRate
	}
	if o.Reads == 0 {
		o.Reads = defaultRate
	}
	if o.Variables == 0 {
		o.Variables = defaultVariables
	}
	if o.Policy.Attempts == 0 {
		o.Policy = DefaultPolicy()
	}
	switch {
	case o.Driver != "" && o.Driver != RawExec && o.Driver != MockDriver:
		return o, fmt.Errorf("%w: the driver %q: want %s or %s", errOptions, o.Driver, RawExec, MockDriver)
	case o.Writes < 0 || o.Reads < 0 || o.Variables < 0:
		return o, fmt.Errorf("%w: a rate or a number below zero", errOptions)
	}
	return o, nil
}
