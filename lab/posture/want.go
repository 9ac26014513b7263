package posture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/probe"
)

// Want is a set of outcomes, any of which is wanted: Accepted, Found or Absent alone, or one or more refusals. The
// zero Want is invalid; New refuses it.
type Want []probe.Outcome

// Accepted returns a Want that the agent serves the request.
func Accepted() Want { return Want{probe.Accepted} }

// Refused returns a Want of any refusal. Prefer the one outcome that Nomad gives, such as
// Want{probe.RefusedInHandshake}: another refusal then fails the check.
func Refused() Want {
	return Want{probe.RefusedInHandshake, probe.RefusedAfterHandshake, probe.Denied}
}

func (w Want) has(o probe.Outcome) bool { return slices.Contains(w, o) }

// opposite returns the outcomes that the control must have.
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

// failsWithoutControl returns the outcome that fails the check whatever the control gives; "" if there is none.
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

// proves reports whether the outcome shows that the probe has reached the agent. A search that was refused shows
// neither that the thing is there nor that it is absent.
func (w Want) proves(o probe.Outcome) bool {
	if w.has(probe.Found) || w.has(probe.Absent) {
		return o == probe.Found || o == probe.Absent
	}
	return o == probe.Accepted || o.Refused()
}

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

// strings returns the outcomes as a finding has them.
func (w Want) strings() []string {
	all := make([]string, len(w))
	for i, o := range w {
		all[i] = string(o)
	}
	return all
}

// String joins the outcomes with "or".
func (w Want) String() string { return strings.Join(w.strings(), " or ") }
