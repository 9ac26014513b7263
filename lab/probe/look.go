package probe

import (
	"context"
	"fmt"
)

// Look is something to be looked for in what an agent shows.
type Look struct {
	// For is the thing, as it follows "look for": "a key of less than 2048 bits in the certificate".
	For string
	// In says whether it is there, and what was seen instead or besides, in words and without any secret. An error says that
	// this cannot be told from what was seen, in such words too.
	In func(Observation) (there bool, saw string, err error)
}

// Looking is the probe, and then a look at what it saw: Found or Absent where the probe was accepted, Failed
// where the look could not tell, else the probe's own outcome.
func Looking(p Probe, look Look) Probe {
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
		case there:
			o.Outcome = Found
		}
		return o
	}
	return looking
}

// Unavailable is a probe that could not be built, for want of what it needs: it observes NotReached, for the reason.
func Unavailable(plane Plane, reason string) Probe {
	return New(plane, "nothing, as "+reason, func(context.Context, Target) Observation { return notReached(reason) }).Classed(Reads())
}
