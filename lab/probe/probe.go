package probe

import (
	"context"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
)

// DefaultTimeout is how long a Probe without a Timeout may take on a machine that is not busy; see deadline.Fair.
const DefaultTimeout = 5 * time.Second

// Probe is one thing to try at an agent. HTTP, RPC, Raft and similar functions build it, or New. The zero Probe observes
// NotReached.
type Probe struct {
	// Plane is the plane that the probe calls.
	Plane Plane
	// Sentence says what the probe does, without a capital letter or a full stop, for example "call Status.Leader with a
	// certificate for cli.global.nomad".
	Sentence string
	// Timeout bounds one run; zero means DefaultTimeout. A run may take longer on a busy machine, see deadline.Fair. A run
	// without an answer within the Timeout observes NotReached, never a refusal.
	Timeout time.Duration
	// AgentWait is the part of Timeout that the agent waits by its own clock, for example for a limit to end. Only the rest
	// is extended on a busy machine. Zero: none.
	AgentWait time.Duration

	observe func(context.Context, Target) Observation
	// effect is the class of what the probe sends; the zero class is Changes.
	effect Effect
	// needs are further planes whose ports the probe calls; nil for none.
	needs []Plane
	// lacks says what the target lacks besides an address for the plane; nil: nothing.
	lacks func(Target) string
}

// New returns a probe that calls observe, in the class Changes. The function observe must return when its context is done; Observe
// fills in the Observation's Plane and Took.
func New(plane Plane, sentence string, observe func(context.Context, Target) Observation) Probe {
	return Probe{Plane: plane, Sentence: sentence, observe: observe}
}

// Unavailable returns a probe that could not be built, and observes NotReached for the reason.
func Unavailable(plane Plane, reason string) Probe {
	return New(plane, "nothing, as "+reason, func(context.Context, Target) Observation { return notReached(reason) }).WithEffect(Reads())
}

// IsZero reports whether the probe was never built.
func (p Probe) IsZero() bool { return p.observe == nil }

// OnlyFor returns the probe restricted to some targets. The function why returns the reason why it does not apply to a
// target, or "" if it applies.
func (p Probe) OnlyFor(why func(Target) string) Probe {
	before := p.lacks
	p.lacks = func(t Target) string {
		if before != nil {
			if reason := before(t); reason != "" {
				return reason
			}
		}
		return why(t)
	}
	return p
}

// WithEffect returns the probe with that class of requests.
func (p Probe) WithEffect(e Effect) Probe {
	p.effect = e
	return p
}

// Effect returns the class of what the probe sends.
func (p Probe) Effect() Effect { return p.effect }

// withToken returns the probe as one that sends the caller's token: it does not apply to a target that may not be sent it.
func (p Probe) withToken(as Caller) Probe {
	if as.token == "" {
		return p
	}
	return p.OnlyFor(func(t Target) string { return t.withholds(as) })
}

// wrap returns the probe with its function replaced by observe, which calls the original as inner.
func (p Probe) wrap(observe func(ctx context.Context, t Target, inner func(context.Context, Target) Observation) Observation) Probe {
	inner := p.observe
	p.observe = func(ctx context.Context, t Target) Observation {
		if inner == nil {
			return notReached(emptyProbe)
		}
		return observe(ctx, t, inner)
	}
	return p
}

const emptyProbe = "the probe is empty: build it with a constructor of package probe"

// OrElse returns the probe that runs p, and then other, a probe of the same plane, if what p saw is useless and other
// applies to the target.
func (p Probe) OrElse(other Probe, useless func(Observation) bool) Probe {
	either := p.wrap(func(ctx context.Context, t Target, inner func(context.Context, Target) Observation) Observation {
		if o := inner(ctx, t); !useless(o) || other.Inapplicable(t) != "" {
			return o
		}
		return other.observe(ctx, t)
	}).WithEffect(p.effect.And(other.effect))
	either.Sentence += ", or else " + other.Sentence
	return either
}

// UnlessNothing returns the probe that observes Failed, with the Nothing that the function returns, if that is not zero.
func (p Probe) UnlessNothing(nothing func(Observation) Nothing) Probe {
	return p.wrap(func(ctx context.Context, t Target, inner func(context.Context, Target) Observation) Observation {
		o := inner(ctx, t)
		if none := nothing(o); !none.IsZero() {
			o.Outcome, o.Nothing = Failed, none
		}
		return o
	})
}

// Inapplicable returns the reason why the probe cannot be tried at the target, such as that the target has no address for
// the probe's plane, or that its Bounds forbid the request; "" if it can.
func (p Probe) Inapplicable(t Target) string {
	switch {
	case t.At(p.Plane) == "":
		return fmt.Sprintf("%s has no address for the %s plane", t.Name, p.Plane)
	case t.forbids(p.effect) != "":
		return t.forbids(p.effect)
	case p.lacks != nil:
		return p.lacks(t)
	default:
		return ""
	}
}

// SilentReason returns the reason why a port of the target that the probe calls does not answer; "" if none is known to be
// silent.
func (p Probe) SilentReason(t Target) string {
	for _, plane := range append([]Plane{p.Plane}, p.needs...) {
		if why := t.Silent.At(plane); why != "" {
			return why
		}
	}
	return ""
}

// Observe runs the probe once. It returns when there is an outcome, when the Timeout is over, or when ctx is done, whichever
// comes first. All errors are in the Observation. Nothing is sent to a port that Target.Silent has. If the time is over
// without an answer, the port is asked once more with Liveness, and counts as silent if it does not answer that.
func (p Probe) Observe(ctx context.Context, t Target) Observation {
	if p.observe == nil {
		return Observation{Plane: p.Plane, Outcome: NotReached, Err: emptyProbe}
	}
	if why := t.forbids(p.effect); why != "" {
		return Observation{Plane: p.Plane, Outcome: NotReached, Err: "nothing was sent: " + why}
	}
	if why := p.SilentReason(t); why != "" {
		return Observation{Plane: p.Plane, Outcome: NotReached, Err: why}
	}
	timeout := p.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	bounded, cancel := deadline.FairAfter(ctx, p.AgentWait, timeout-p.AgentWait)
	defer cancel()

	start := time.Now()
	o := p.observe(bounded, t)
	o.Plane = p.Plane
	o.Took = time.Since(start)
	unanswered := o.Outcome == NotReached && bounded.Err() != nil && ctx.Err() == nil
	if unanswered {
		t.Silent.recheck(ctx, t, p.Plane)
	}
	if p.AgentWait == 0 {
		o.excuseSlowness(t.handshakeTimeout(p.Plane))
	}
	o.Unsettled = o.Unsettled || unanswered && p.AgentWait == 0 || o.Outcome == Failed && containsAny(o.Received, noLeaderErrors())
	return o
}

// MaxTries is how often ObserveRetrying runs a probe at most.
const MaxTries = 3

// ObserveRetrying runs the probe, and again while the observation asks for a Retry. It returns the last observation.
func (p Probe) ObserveRetrying(ctx context.Context, t Target) Observation {
	o := p.Observe(ctx, t)
	for again := 1; o.Retry && again < MaxTries && ctx.Err() == nil; again++ {
		o = p.Observe(ctx, t)
	}
	return o
}

// excuseSlowness takes back a refusal that may be none: an agent also ends a connection without a message if its caller is
// slower than the timeout, as callers on a busy machine are.
func (o *Observation) excuseSlowness(timeout time.Duration) {
	if !o.Outcome.Refused() || o.hungUpAfter < timeout {
		return
	}
	o.Outcome, o.Retry, o.Unsettled = NotReached, true, true
	o.Err = fmt.Sprintf("the agent closed the connection without a message after %.1f s, as it does with callers that are too slow for it",
		o.hungUpAfter.Seconds())
}

// noLeaderErrors returns the texts of a server that has no leader, or cannot forward a request to the one that it had
// (nomad/structs/errors.go:14, nomad/eval_broker.go:441, nomad/plan_queue.go:105, helper/pool/pool.go:457, and api.go:38 of
// hashicorp/raft; verified against Nomad 1.11.3).
func noLeaderErrors() []string {
	return []string{
		"No cluster leader", "Not ready to serve consistent reads", "node is not the leader", "leadership lost while committing log",
		"leadership transfer in progress", "eval broker disabled", "plan queue is disabled", "failed to get conn", "rpc error: EOF",
	}
}
