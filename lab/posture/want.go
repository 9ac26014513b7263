package posture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/probe"
)

// Want is the set of outcomes of which any one is wanted: Accepted alone, Found alone, Absent alone, or one or more
// refusals. The zero Want wants nothing, and New refuses it.
type Want []probe.Outcome

// Accepted wants the agent to serve the request.
func Accepted() Want { return Want{probe.Accepted} }

// Refused wants any refusal, the agent's own word included. Prefer the one
// outcome that Nomad gives, such as Want{probe.RefusedInHandshake}: a refusal at
// another place is then not as wanted.
func Refused() Want {
	return Want{probe.RefusedInHandshake, probe.RefusedAfterHandshake, probe.Denied}
}

// has says whether the outcome is wanted.
func (w Want) has(o probe.Outcome) bool { return slices.Contains(w, o) }

// opposite is what the control of a check with this Want must give.
func (w Want) opposite() Want {
	switch {
	case w.has(probe.Accepted):
		return Refused()
	case w.has(probe.Found):
		return Want{probe.Absent}
	case w.has(probe.Absent):
		return Want{probe.Found}
	default:
		return Accepted()
	}
}

// worst is the outcome that breaks the promise whatever the control gives: the agent has shown it.
func (w Want) failsWithoutControl() probe.Outcome {
	switch {
	case w.has(probe.Absent):
		return probe.Found
	case w[0].Refused():
		return probe.Accepted
	default:
		return ""
	}
}

// tells says whether the outcome is one that a probe of this kind gives when it has reached the agent. A look that was
// refused has shown nothing, neither the thing nor its absence.
func (w Want) proves(o probe.Outcome) bool {
	if w.has(probe.Found) || w.has(probe.Absent) {
		return o == probe.Found || o == probe.Absent
	}
	return o == probe.Accepted || o.Refused()
}

// validate tells what is wrong with the set.
func (w Want) validate() error {
	if len(w) == 0 {
		return errors.New("it wants no outcome: set Want to Accepted(), Refused() or some of the refusals")
	}
	single := false
	for _, o := range w {
		switch o {
		case probe.Accepted, probe.Found, probe.Absent:
			single = true
		default:
			if !o.Refused() {
				return fmt.Errorf("it wants the outcome %q, which proves nothing: want an acceptance or a refusal", o)
			}
		}
	}
	if single && len(w) > 1 {
		return errors.New("it wants both an acceptance and a refusal, so it could not fail: want one of them")
	}
	return nil
}

// strings are the outcomes as a finding holds them.
func (w Want) strings() []string {
	all := make([]string, len(w))
	for i, o := range w {
		all[i] = string(o)
	}
	return all
}

// String joins the outcomes with "or".
func (w Want) String() string { return strings.Join(w.strings(), " or ") }
