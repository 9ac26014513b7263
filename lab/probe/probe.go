package probe

import (
	"context"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
)

// DefaultTimeout is how long a Probe without a Timeout of its own may take where the machine is not busy: see deadline.Fair.
const DefaultTimeout = 5 * time.Second

// Probe is one thing to try at an agent. Build it with HTTP, RPC, Raft and
// their kin, or with New. The zero Probe observes NotReached.
type Probe struct {
	// Plane is the plane that the probe goes for.
	Plane Plane
	// Sentence says what the probe does, without a capital or a full stop, for
	// example "call Status.Leader with a certificate for cli.global.nomad".
	Sentence string
	// Timeout bounds one run; zero means DefaultTimeout. On a busy machine a run may take longer, as deadline.Fair has it. A
	// run that is not answered within it observes NotReached, never a refusal.
	Timeout time.Duration
	// Waits is the part of the Timeout that the agent lets pass by its own clock, as it waits for a limit. A busy machine is given
	// more of the rest alone. Zero: none.
	Waits time.Duration

	see func(context.Context, Target) Observation
	// effect is the class of what the probe sends; the zero class is Changes.
	effect Effect
	// needs are further planes whose ports the probe calls; nil for a probe that calls no port but its own plane's.
	needs []Plane
	// lacks says what else than an address for the plane a target lacks for the probe; nil: nothing.
	lacks func(Target) string
}

// Only is the probe for some targets alone: the function says why another one is none of them, and is empty for one of them.
func (p Probe) Only(why func(Target) string) Probe {
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

// Classed is the probe whose requests are of that class. What New builds is Changes until somebody says better.
func (p Probe) Classed(e Effect) Probe {
	p.effect = e
	return p
}

// Effect is the class of what the probe sends.
func (p Probe) Effect() Effect { return p.effect }

// bearing is the probe that sends the caller's token: not for a target to which no token may go.
func (p Probe) bearing(as Caller) Probe {
	if as.token == "" {
		return p
	}
	return p.Only(func(t Target) string { return t.withholds(as) })
}

// New returns a probe of one's own. The function see must return when its
// context is done; Observe fills in the Observation's Plane and Took.
func New(plane Plane, sentence string, see func(context.Context, Target) Observation) Probe {
	return Probe{Plane: plane, Sentence: sentence, see: see}
}

// IsZero says whether the probe was never built, so that it could see nothing.
func (p Probe) IsZero() bool { return p.see == nil }

// Inapplicable says why the probe cannot be tried at the target, such as that it has no address for the probe's plane, or that
// the target's Bounds forbid it; empty if it can be.
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

// Silent says why a port of the target that the probe calls does not answer; empty where none is known to be silent.
func (p Probe) Silent(t Target) string {
	for _, plane := range append([]Plane{p.Plane}, p.needs...) {
		if why := t.Silent.At(plane); why != "" {
			return why
		}
	}
	return ""
}

// Observe runs the probe once. It returns when there is an outcome, when the
// probe's Timeout is over, or when ctx is done, whichever comes first. Whatever
// goes wrong is in the Observation. Nothing is sent to a port that the Target has as silent; where the time is over without an
// answer the port is knocked at once more, and counts as silent when it does not answer that either.
func (p Probe) Observe(ctx context.Context, t Target) Observation {
	if p.see == nil {
		return Observation{Plane: p.Plane, Outcome: NotReached, Err: "the probe is empty: build it with a constructor of package probe"}
	}
	if why := t.forbids(p.effect); why != "" {
		return Observation{Plane: p.Plane, Outcome: NotReached, Err: "nothing was sent: " + why}
	}
	if why := p.Silent(t); why != "" {
		return Observation{Plane: p.Plane, Outcome: NotReached, Err: why}
	}
	timeout := p.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	bounded, cancel := deadline.FairAfter(ctx, p.Waits, timeout-p.Waits)
	defer cancel()

	start := time.Now()
	o := p.see(bounded, t)
	o.Plane = p.Plane
	o.Took = time.Since(start)
	unanswered := o.Outcome == NotReached && bounded.Err() != nil && ctx.Err() == nil
	if unanswered {
		t.Silent.doubt(ctx, t, p.Plane)
	}
	if p.Waits == 0 {
		o.excuseSlowness(t.hurries(p.Plane))
	}
	o.Unsettled = o.Unsettled || unanswered && p.Waits == 0 || o.Outcome == Failed && containsAny(o.Received, leaderless())
	return o
}

// Tries is how often Insist runs a probe at most.
const Tries = 3

// Insist observes, and again where that is worth a Retry, and returns what was seen last.
func (p Probe) Insist(ctx context.Context, t Target) Observation {
	o := p.Observe(ctx, t)
	for again := 1; o.Retry && again < Tries && ctx.Err() == nil; again++ {
		o = p.Observe(ctx, t)
	}
	return o
}

// handshakeLimit is how long an agent waits for a caller's handshake and the first byte behind it, unless its configuration says
// otherwise (limits.https_handshake_timeout and rpc_handshake_timeout, command/agent/http.go:272; verified against Nomad 1.11.3).
const handshakeLimit = 5 * time.Second

// hurries is how long the target waits for a caller, as far as that is known.
func (t Target) hurries(p Plane) time.Duration {
	if told := t.Hurries[p.port()]; told > 0 {
		return told
	}
	return handshakeLimit
}

// excuseSlowness takes back a refusal that may be none: an agent ends in the same way, without a word, a connection whose caller
// is too slow, as one on a busy machine is.
func (o *Observation) excuseSlowness(limit time.Duration) {
	if !o.Outcome.Refused() || o.hungUpAfter < limit {
		return
	}
	o.Outcome, o.Retry, o.Unsettled = NotReached, true, true
	o.Err = fmt.Sprintf("the agent hung up without a word after %.1f s, as it does with callers that are too slow for it", o.hungUpAfter.Seconds())
}

// leaderless are what servers say while they have no leader, or cannot hand a request to the one that they had
// (nomad/structs/errors.go:14, nomad/eval_broker.go:441, nomad/plan_queue.go:105, helper/pool/pool.go:457, and api.go:38 of
// hashicorp/raft; verified against Nomad 1.11.3).
func leaderless() []string {
	return []string{
		"No cluster leader", "Not ready to serve consistent reads", "node is not the leader", "leadership lost while committing log",
		"leadership transfer in progress", "eval broker disabled", "plan queue is disabled", "failed to get conn", "rpc error: EOF",
	}
}

// notReached is the observation of a probe that could not even be tried.
func notReached(reason string) Observation {
	return Observation{Outcome: NotReached, Err: reason}
}
