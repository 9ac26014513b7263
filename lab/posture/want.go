package posture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/probe"
)

// Want is the set of outcomes of which any one is wanted: either Accepted alone,
// or one or more refusals. The zero Want wants nothing, and New refuses it.
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
	if w.has(probe.Accepted) {
		return Refused()
	}
	return Accepted()
}

// validate tells what is wrong with the set.
func (w Want) validate() error {
	if len(w) == 0 {
		return errors.New("it wants no outcome: set Want to Accepted(), Refused() or some of the refusals")
	}
	for _, o := range w {
		if o != probe.Accepted && !o.Refused() {
			return fmt.Errorf("it wants the outcome %q, which proves nothing: want an acceptance or a refusal", o)
		}
	}
	if w.has(probe.Accepted) && len(w) > 1 {
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
