package posture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// Kind says what traces a check leaves. The zero Kind is the one that follows from the classes of its probe and its control:
// Safe or Guarded. What changes something has to say which of the others it is.
type Kind string

// kindOf is the kind of a check that sends requests of that class; empty where the class does not tell.
func kindOf(e probe.Effect) Kind {
	switch {
	case e.IsRead():
		return Safe
	case e.IsChange():
		return ""
	default:
		return Guarded
	}
}

// harmless reports whether a check of the kind leaves nothing behind, on a version of Nomad that it may be tried on.
func (k Kind) harmless() bool { return k == Safe || k == Guarded }

// The kinds.
const (
	// Safe checks send reads alone, and so leave no trace but log lines on any version of Nomad.
	Safe Kind = "safe"
	// Guarded checks send requests besides that are refused without effect by the versions of Nomad for which that was
	// verified. Another version may carry them out. On those versions they leave no trace but log lines.
	Guarded Kind = "guarded"
	// Intrusive checks change something, or take what others need, and leave no trace after their own clean-up.
	Intrusive Kind = "intrusive"
	// Destructive checks need a throw-away cluster of their own.
	Destructive Kind = "destructive"
)

// Severity says how bad it is when the promise is broken. The zero Severity is
// none; New refuses it.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Lane says what a check costs the agent, and so beside what it may run. The zero Lane is Quick.
type Lane string

// The lanes. Of one agent, the quick checks run a few at a time, the waiting ones all at once, and the crowding ones last and
// alone.
const (
	// Quick checks are over in milliseconds.
	Quick Lane = ""
	// Waiting checks wait for a limit of time, for some seconds.
	Waiting Lane = "waiting"
	// Crowding checks use up a limit of connections, so that whatever ran beside them would look refused.
	Flooding Lane = "flooding"
)

// ErrNoControl is wrapped by New's error for a check without a control.
var ErrNoControl = errors.New("it has no control")

// Spec is what a check is made of. See New for what is required.
type Spec struct {
	// ID names the check, for example "raft-refuses-client-certificate".
	ID string
	// Title is the promise as a sentence.
	Title string
	// Plane is the plane that the promise guards; zero means the probe's.
	Plane probe.Plane
	// Kind, Severity and Lane are as their types say.
	Kind     Kind
	Severity Severity
	Lane     Lane
	// Once is for a question of the cluster: each region of it has one answer, whoever is asked. The check runs at the first
	// agent of its roles in each that can answer, and its finding says nothing of that agent.
	PerRegion bool
	// PassedOn returns the agent to which a target passes the request on, and which decides; ok is false where the target
	// decides itself, as it is where PassedOn is nil. A target that lets the probe in is not to blame where that agent decided
	// so and is found to break the promise itself: the target's finding is Skipped. Only a Safe or a Guarded check may have it.
	ForwardedTo func(context.Context, probe.Target) (to probe.Target, ok bool)
	// Local is true for what only shows in this copy of the user's files; see finding.Finding.
	Local bool
	// Lacks says which ingredient of the control there is none of, for example "no key of the authority is at hand"; empty
	// where nothing lacks. Such a check is Skipped for that reason, unless the probe shows by being let in that it is broken.
	Lacks string
	// Why is the source of the promise: a CVE, an issue, a line of Nomad's source.
	Why string
	// Settings are the settings of the agent's configuration that the promise rests on, by path (tls.verify_server_hostname),
	// the likeliest first; empty for a promise that rests on none, such as one about a policy.
	Settings []string
	// Roles are the agents that the check applies to; none means all. Others are Skipped.
	Roles []pki.Role
	// Probe is what is tried, Want is what is wanted of it.
	Probe probe.Probe
	Want  Want
	// Control is the same with the one thing put right, or put wrong. It must be
	// accepted where Want is a refusal, refused where Want is Accepted, Found where Want is Absent, and the other way round.
	Control probe.Probe
	// Answer is what the agent's own answer must contain where Want is Denied; empty
	// where its words do not matter.
	Answer string
	// LogText is what the agent's log must say about this refusal; empty where
	// Nomad logs nothing. It is asserted only where the Target's log can be read,
	// and only lines about the Target's CallerAt that plane count where that is known.
	LogText string
	// LogLevel is the level from which on the agent logs that; empty means WARN. It is not asserted of an agent that
	// logs less, nor of one whose level is not known, if Nomad logs less by default.
	LogLevel string
	// LogWithin is how long the log may take to show LogText, on a busy machine longer (deadline.Fair); zero means 3 s.
	LogWithin time.Duration
}

// Check is a promise that can be tried. Only New builds one that can hold: the
// zero Check has no control, and its findings are all NotCarriedOut.
type Check struct{ spec Spec }

// New builds a check. Its error tells every fault at once: a missing ID, Title,
// Why, Severity or Probe, a Kind that promises more than the classes of its Probe and its Control keep, a Want that is empty or could not fail, a Control
// that is missing (ErrNoControl) or does the very same as the probe, a LogText
// for an acceptance.
func New(s Spec) (Check, error) {
	if s.Kind == "" {
		s.Kind = kindOf(s.effect())
	}
	if err := s.validate(); err != nil {
		return Check{}, fmt.Errorf("build check %q: %w", s.ID, err)
	}
	if s.Plane == "" {
		s.Plane = s.Probe.Plane
	}
	if s.LogWithin == 0 {
		s.LogWithin = 3 * time.Second
	}
	s.Want = slices.Clone(s.Want)
	s.Roles = slices.Clone(s.Roles)
	s.Settings = slices.Clone(s.Settings)
	return Check{spec: s}, nil
}

// Must is New for tables that are part of the program: it panics on New's error.
func Must(s Spec) Check {
	c, err := New(s)
	if err != nil {
		panic(err)
	}
	return c
}

// Spec is a copy of what the check was built from, with its defaults filled in.
func (c Check) Spec() Spec {
	s := c.spec
	s.Want = slices.Clone(s.Want)
	s.Roles = slices.Clone(s.Roles)
	s.Settings = slices.Clone(s.Settings)
	return s
}

// effect is the class of what the check sends.
func (s Spec) effect() probe.Effect { return s.Probe.Effect().And(s.Control.Effect()) }

// validateKind tells whether the check does what its Kind excludes.
func (s Spec) validateKind() error {
	switch e := s.effect(); {
	case s.Kind == "":
		return errors.New("it sends requests whose class is that they change something, and has no Kind: say of the requests what they do " +
			"(probe.Probe.Classed, probe.Ask.WithoutEffectOn), or use Intrusive or Destructive")
	case !slices.Contains([]Kind{Safe, Guarded, Intrusive, Destructive}, s.Kind):
		return fmt.Errorf("its Kind is %q: use Safe, Guarded, Intrusive or Destructive", s.Kind)
	case s.Kind == Safe && !e.IsRead(), s.Kind == Guarded && e.IsChange():
		return fmt.Errorf("its Kind is %q, and the class of its requests is %q: say better what they do, or use another Kind", s.Kind, e)
	default:
		return nil
	}
}

// validate tells every fault of the spec.
func (s Spec) validate() error {
	var faults []error
	required := []struct{ field, value string }{
		{"ID", s.ID}, {"Title", s.Title}, {"Why", s.Why},
	}
	for _, r := range required {
		if r.value == "" {
			faults = append(faults, fmt.Errorf("its %s is empty: set it", r.field))
		}
	}
	faults = append(faults, s.validateKind())
	if !slices.Contains([]Lane{Quick, Waiting, Flooding}, s.Lane) {
		faults = append(faults, fmt.Errorf("its Lane is %q: use Quick, Waiting or Crowding", s.Lane))
	}
	if !slices.Contains([]Severity{Critical, High, Medium, Low}, s.Severity) {
		faults = append(faults, fmt.Errorf("its Severity is %q: use Critical, High, Medium or Low", s.Severity))
	}
	if s.Probe.IsZero() {
		faults = append(faults, errors.New("its Probe is empty: build it with a constructor of package probe"))
	}
	faults = append(faults, s.Want.validate(), s.validateControl())
	if s.ForwardedTo != nil && !s.Kind.harmless() {
		faults = append(faults, errors.New("it has a PassedOn, which has the probe tried once more, and is neither Safe nor Guarded: drop PassedOn"))
	}
	if s.LogText != "" && s.Want.has(probe.Accepted) {
		faults = append(faults, errors.New("it has a LogText, which shows a refusal's reason, but wants an acceptance: drop one of them"))
	}
	return errors.Join(faults...)
}

// validateControl tells what is wrong with the control.
func (s Spec) validateControl() error {
	switch {
	case s.Control.IsZero():
		return fmt.Errorf("%w: set Control to the probe with the one thing put right", ErrNoControl)
	case s.Control.Plane == s.Probe.Plane && s.Control.Sentence == s.Probe.Sentence:
		return fmt.Errorf("its Control does the same as its Probe (%s), so it can never have the opposite outcome: change the one thing", s.Probe.Sentence)
	default:
		return nil
	}
}
