package probe

import (
	"context"
	"errors"
	"fmt"
)

// Look is something to be looked for in what an agent shows.
type Search struct {
	// For is the thing, as it follows "look for": "a key of less than 2048 bits in the certificate".
	For string
	// In says whether it is there, and what was seen instead or besides, in words and without any secret. An error says that
	// this cannot be told from what was seen, in such words too; Nothing, that there is nothing to look at.
	In func(Observation) (there bool, saw string, err error)
}

// Nothing is the error of a look at something that the agent has nothing of. Zero: it has something.
type Nothing struct {
	// Why says that it has nothing, without any secret.
	Why string
	// JudgedBy is the ID of the check that judges whether it may have none, without the role that may stand before it.
	JudgedBy string
	// Missed is true for what an agent ought to have: where no such check was carried out, nobody has judged that it has none.
	Missed bool
}

// Error is why there is nothing, and which check judges that.
func (n Nothing) Error() string { return n.Why + ": see " + n.JudgedBy }

// IsZero reports whether there is something.
func (n Nothing) IsZero() bool { return n == Nothing{} }

// Looking is the probe, and then a look at what it saw: Found or Absent where the probe was accepted, Failed
// where the look could not tell, else the probe's own outcome.
func Searching(p Probe, look Search) Probe {
	looking := p
	looking.Sentence = fmt.Sprintf("look for %s: %s", look.For, p.Sentence)
	looking.see = func(ctx context.Context, t Target) Observation {
		if p.see == nil {
			return notReached("the probe is empty: build it with a constructor of package probe")
		}
		o := p.see(ctx, t)
		if o.Outcome != Accepted {
			return o
		}
		there, saw, err := look.In(o)
		o.Outcome, o.Received = Absent, clean(saw)
		switch {
		case err != nil:
			o.Outcome, o.Err = Failed, clean(err.Error())
			o.Nothing, _ = errors.AsType[Nothing](err)
		case there:
			o.Outcome = Found
		}
		return o
	}
	return looking
}

// Else is the probe, and the other one of the same plane instead where what the probe saw is useless and the other can be tried.
func (p Probe) Else(other Probe, useless func(Observation) bool) Probe {
	either := p.Classed(p.effect.And(other.effect))
	either.Sentence += ", or else " + other.Sentence
	either.see = func(ctx context.Context, t Target) Observation {
		if p.see == nil || other.see == nil {
			return notReached("the probe is empty: build it with a constructor of package probe")
		}
		if o := p.see(ctx, t); !useless(o) || other.Inapplicable(t) != "" {
			return o
		}
		return other.see(ctx, t)
	}
	return either
}

// Unless is the probe for what has something of the kind that it looks at: where nothing says that an agent has none, the
// observation is Failed, with that.
func (p Probe) Unless(nothing func(Observation) Nothing) Probe {
	unless := p
	unless.see = func(ctx context.Context, t Target) Observation {
		if p.see == nil {
			return notReached("the probe is empty: build it with a constructor of package probe")
		}
		o := p.see(ctx, t)
		if none := nothing(o); !none.IsZero() {
			o.Outcome, o.Nothing = Failed, none
		}
		return o
	}
	return unless
}

// Unavailable is a probe that could not be built, for want of what it needs: it observes NotReached, for the reason.
func Unavailable(plane Plane, reason string) Probe {
	return New(plane, "nothing, as "+reason, func(context.Context, Target) Observation { return notReached(reason) }).Classed(Reads())
}
