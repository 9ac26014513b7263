package rehearsal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/timeline"
)

// Options say how to rehearse a change. Check must have an Engine.
type Options struct {
	// Check says where the labs run, and which checks the posture before and after has. Its Nomad is that of the old side.
	Check regress.Options
	// Order is one of Orders, or the names of nodes with commas between them. Empty: ServersFirst.
	Order string
	// Grace is the server.heartbeat_grace that the servers have during the change. Zero: they keep that of the configuration.
	Grace time.Duration
	// Jobs are a user's own, which run beside those of the load.
	Jobs []Job
	// Keep leaves the last lab running.
	Keep bool
	// StepTimeout is how long a step may wait for Nomad's own clocks before it counts as one that never ends; the work of a step gets
	// five seconds more, and more on a busy machine. Zero: a minute, which is twice what a client takes that was refused once.
	StepTimeout time.Duration
	// AsAsked tries no other order if the first breaks.
	AsAsked bool
}

const defaultStepTimeout = time.Minute

// Result is what came of a rehearsal.
type Result string

// The results, from best to worst.
const (
	// LostNothing: no acknowledged write was lost, no allocation was moved or restarted, no call failed after its retries.
	LostNothing Result = "lost nothing"
	// Costs: the change went through, and users of the cluster would have noticed.
	Costs Result = "has a cost"
	// Unknown: the old cluster did not come up, or the load did not do enough to tell.
	Unknown Result = "not known"
	// Breaks: the change stopped at a step, or the cluster is not whole after the last one.
	Breaks Result = "breaks"
)

// Rehearsal is what was rehearsed, and what came of it.
type Rehearsal struct {
	Change Change `json:"change"`
	// Notes say what a reader must know first.
	Notes  []string      `json:"notes,omitempty"`
	Nomad  string        `json:"nomad,omitempty"`
	Engine string        `json:"engine"`
	Began  time.Time     `json:"started"`
	Took   time.Duration `json:"took_ns"`
	// Attempts are the orders that were tried, each on a fresh lab. Empty: nothing differs.
	Attempts []Attempt `json:"attempts"`
}

// Attempt is one order, tried on a fresh lab.
type Attempt struct {
	Strategy
	Result Result `json:"result"`
	// Why says in a sentence why the result is what it is.
	Why string `json:"why"`
	// Steps are those that were begun, the last of which may have failed.
	Steps []Step `json:"steps"`
	// Stages are the postures, in order of time.
	Stages []Stage `json:"postures"`
	// Load is what the load's history says. Nil: there was none.
	Load *load.Judgement `json:"load,omitempty"`
	// Timeline is what happened when. Nil: nothing was rolled out.
	Timeline *timeline.Timeline `json:"timeline,omitempty"`
	// Kept is the name of the lab that was left running. Empty: it was removed.
	Kept string `json:"kept,omitempty"`

	// Before and After are the whole postures. Their zero values: they were not taken.
	Before finding.Report `json:"-"`
	After  finding.Report `json:"-"`
}

// Step is a step of an attempt that was begun.
type Step struct {
	Round  string         `json:"round"`
	Node   string         `json:"node,omitempty"`
	Title  string         `json:"title"`
	Files  []string       `json:"files,omitempty"`
	Effect rollout.Effect `json:"effect"`
	Why    string         `json:"why,omitempty"`
	Took   time.Duration  `json:"took_ns"`
	// Error is why the step failed. Empty: it did not.
	Error string `json:"error,omitempty"`
}

// Result returns the result of the order that was asked for. Without a difference nothing can be lost.
func (r Rehearsal) Result() Result {
	if len(r.Attempts) == 0 {
		return LostNothing
	}
	return r.Attempts[0].Result
}

// Better returns the first attempt in another order that does not break, if the first does; else nil.
func (r Rehearsal) Better() *Attempt {
	for i, a := range r.Attempts {
		if i > 0 && r.Attempts[0].Result == Breaks && (a.Result == LostNothing || a.Result == Costs) {
			return &r.Attempts[i]
		}
	}
	return nil
}

// rehearsal is the state of Run.
type rehearsal struct {
	Options
	from, to Side
	change   Change
	token    string
}

// Preview returns what would be rehearsed, and the orders that would be tried, first the one that was asked for. It brings nothing up.
func Preview(ctx context.Context, o Options, from, to Side) (Change, []Strategy, error) {
	r, strategies, err := prepare(ctx, o, from, to)
	if err != nil {
		return Change{}, nil, err
	}
	return r.change, strategies, nil
}

// prepare reads all that is known before a lab is brought up.
func prepare(ctx context.Context, o Options, from, to Side) (*rehearsal, []Strategy, error) {
	if err := refuse(from, to); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	from.Source, to.Source = align(from.Source, to.Source)
	r := &rehearsal{Options: o, from: from, to: to}
	if from.Version != to.Version {
		r.from.Source, r.to.Source = from.Source.Lenient(), to.Source.Lenient()
		from, to = r.from, r.to
	}
	was, err := r.preview(ctx, from.Source, false)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", from.Name, from.Source.Explain(err))
	}
	planned, err := r.preview(ctx, to.Source, true)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", to.Name, to.Source.Explain(err))
	}
	if r.change, err = Compare(from, to, was, planned); err != nil {
		return nil, nil, err
	}
	all, err := strategies(r.change, from, to, o.Order, o.Grace)
	if err != nil {
		return nil, nil, err
	}
	return r, all, checkOrder(all[0], planned)
}

// checkOrder returns an error for an order that names no nodes of the lab.
func checkOrder(s Strategy, planned plan.Plan) error {
	for i, name := range s.nodes() {
		if slices.Contains(s.nodes()[:i], name) {
			return fmt.Errorf("%w: the order names %s twice: a node changes once", ErrRefused, name)
		}
		if !slices.ContainsFunc(planned.Nodes, func(n plan.Node) bool { return n.Name == name }) {
			var names []string
			for _, n := range planned.Nodes {
				names = append(names, n.Name)
			}
			return fmt.Errorf("%w: %q is no order: use one of %v, or names of nodes, which are %v", ErrRefused, name, Orders(), names)
		}
	}
	return nil
}

// preview returns the plan of a lab with the source.
func (r *rehearsal) preview(ctx context.Context, s regress.Source, next bool) (plan.Plan, error) {
	return lab.Preview(ctx, r.Check.Engine, r.spec(s, next))
}

// spec returns the lab that runs the source, with as many servers as the old side has, and with the new Nomad if next is true.
func (r *rehearsal) spec(s regress.Source, next bool) spec.Spec {
	s.Servers = r.from.Source.Servers
	o := r.Check
	if next && r.from.Version != r.to.Version {
		o.Nomad = spec.Nomad{Version: r.to.Version}
	}
	return s.Spec(o)
}

// Run rehearses the change. It brings up a lab for each order that it tries, and removes it. The error wraps ErrRefused or
// regress.ErrConfiguration if the change cannot be rehearsed. An *InterruptedError says where a rehearsal stood whose context ended. A change that breaks the
// cluster is no error, but a Result.
func Run(ctx context.Context, o Options, from, to Side) (Rehearsal, error) {
	began := time.Now()
	r, strategies, err := prepare(ctx, o, from, to)
	if err != nil {
		return Rehearsal{}, err
	}
	out := Rehearsal{Change: r.change, Notes: r.change.Notes(), Engine: o.Check.Engine.Name(), Began: began.Truncate(time.Second)}
	if r.change.Empty() {
		return out, nil
	}
	for i, s := range strategies {
		var a Attempt
		a, out.Nomad, err = r.attempt(ctx, i, s)
		out.Took = time.Since(began)
		if err != nil {
			return out, err
		}
		out.Attempts = append(out.Attempts, a)
		if a.Result != Breaks || o.AsAsked || a.Kept != "" {
			break
		}
	}
	return out, nil
}

// InterruptedError says where a rehearsal stood when its context ended.
type InterruptedError struct {
	// Text says it in words.
	Text string
	// Kept is the name of the lab that was left running. Empty: it was removed.
	Kept string
}

func (e *InterruptedError) Error() string { return "interrupted: " + e.Text }

// Unwrap makes errors.Is(err, context.Canceled) true.
func (e *InterruptedError) Unwrap() error { return context.Canceled }
