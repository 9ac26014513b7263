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

// Kind says what traces a check leaves. The zero Kind stands for the one that follows from the classes of the probe
// and its control: Safe or Guarded. A check that changes something must say which of the others it is.
type Kind string

// kindOf returns the Kind of a check whose requests have that class; "" if they change something.
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

// harmless reports whether a check of the kind leaves nothing behind on the versions of Nomad that it may run
// against.
func (k Kind) harmless() bool { return k == Safe || k == Guarded }

// The kinds.
const (
	// Safe checks only read. On any version of Nomad they leave log lines alone.
	Safe Kind = "safe"
	// Guarded checks also send requests that certain versions of Nomad refuse without effect, as was verified.
	// Another version may carry them out. On the verified versions they leave log lines alone.
	Guarded Kind = "guarded"
	// Intrusive checks change something, or use up what others need. They leave no trace after their own clean-up.
	Intrusive Kind = "intrusive"
	// Destructive checks need a throw-away cluster of their own.
	Destructive Kind = "destructive"
)

// Severity says how bad a failed check is. The zero Severity is invalid; New refuses it.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Lane says what a check costs the agent, and so beside which others it may run. The zero Lane is Quick.
type Lane string

// The lanes.
const (
	// Quick checks take milliseconds. A few of them run at a time.
	Quick Lane = ""
	// Waiting checks wait for a time limit of some seconds. All of them run at once.
	Waiting Lane = "waiting"
	// Flooding checks use up a limit of connections. They run last and alone, as whatever ran beside them would look
	// refused.
	Flooding Lane = "flooding"
)

// ErrNoControl is wrapped by New's error for a check without a control.
var ErrNoControl = errors.New("it has no control")

// Spec is what a check is made of. New says what is required.
type Spec struct {
	// ID names the check, for example "raft-refuses-client-certificate".
	ID string
	// Title is what the check promises, as a sentence.
	Title string
	// Plane is the plane that the check belongs to; zero means the probe's.
	Plane probe.Plane
	// Kind, Severity and Lane are as their types say.
	Kind     Kind
	Severity Severity
	Lane     Lane
	// PerRegion is for a question that every agent of a region answers alike. The check runs at the first agent of
	// its Roles in each region that can answer, and the finding is about the region.
	PerRegion bool
	// ForwardedTo returns the agent to which a target forwards the request, and which decides on it; ok is false if
	// the target decides itself. Nil: targets decide themselves. If the probe is let in, and the agent that decided
	// fails the check itself, the target's finding is Skipped. Only a Safe or Guarded check may have it.
	ForwardedTo func(context.Context, probe.Target) (to probe.Target, ok bool)
	// Local is true for a defect that shows in the user's own copy of the files alone; see finding.Finding.
	Local bool
	// Missing is the reason why the control or the probe cannot be sent, for example "no key of the authority is at
	// hand"; empty if both can. The check is then Skipped for that reason, unless the probe is let in, which needs no
	// control.
	Missing string
	// Why says why the outcome is wanted, with its source: a CVE, an issue, a line of Nomad's source.
	Why string
	// Settings are the settings of the agent's configuration that the check rests on, by path
	// (tls.verify_server_hostname), the likeliest first. Empty for a check that rests on none, such as one of a
	// policy.
	Settings []string
	// Roles are the roles of the agents that the check applies to; empty means all. It is Skipped at others.
	Roles []pki.Role
	// Since is the first release of Nomad that the check is for, and Until the first that it is not for any more, such as "1.11.0". Empty:
	// there is no such bound. It is Skipped at an agent of another version. One whose version is not known is asked all.
	Since, Until string
	// Bound says why it is for these releases alone, as it follows a colon. Required with a Since or an Until.
	Bound string
	// Verified are the versions for which the check was seen to hold at a cluster with every protection. At an agent of another version
	// its finding says so. Zero: Verified.
	Verified []string
	// Probe is what is sent, Want the outcomes that are wanted.
	Probe probe.Probe
	Want  Want
	// Control is the probe with one thing changed, so that it must have the opposite outcome: accepted where Want is
	// a refusal, refused where Want is Accepted, Found where Want is Absent, and Absent where Want is Found.
	Control probe.Probe
	// Answer is a text that the agent's answer must contain where Want is Denied; empty: any answer.
	Answer string
	// LogText is what the agent's log must say about the refusal; empty where Nomad logs nothing. It is required only
	// if the target's log can be read. If the target's CallerAt is known for the plane, only lines about that address
	// count.
	LogText string
	// LogLevel is the level at which the agent logs that; empty means WARN. The text is not required of an agent that
	// logs less. An unknown level counts as Nomad's default.
	LogLevel string
	// LogWithin is how long the log may take to show LogText; a busy machine has longer (deadline.Fair). Zero means 3
	// s.
	LogWithin time.Duration
}

// Check is a check that can run. Use New: the zero Check has no control, and its findings are all Inconclusive.
type Check struct{ spec Spec }

// New builds a check. It requires an ID, a Title, a Why, a Severity, a Probe, a Want that can fail, and a Control
// that differs from the probe. Kind must not promise less than the classes of Probe and Control do, and LogText needs
// a refusal. The error lists everything that is wrong; it wraps ErrNoControl if the control is missing.
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
	if s.Verified == nil {
		s.Verified = Verified()
	}
	if s.LogWithin == 0 {
		s.LogWithin = 3 * time.Second
	}
	return Check{spec: s.clone()}, nil
}

// Must is New for specs that are part of the program. It panics on an error.
func Must(s Spec) Check {
	c, err := New(s)
	if err != nil {
		panic(err)
	}
	return c
}

// Spec returns a copy of the spec, with its defaults filled in.
func (c Check) Spec() Spec { return c.spec.clone() }

func (s Spec) clone() Spec {
	s.Want, s.Roles, s.Settings, s.Verified = slices.Clone(s.Want), slices.Clone(s.Roles), slices.Clone(s.Settings), slices.Clone(s.Verified)
	return s
}

// effect returns the class of what the check sends.
func (s Spec) effect() probe.Effect { return s.Probe.Effect().And(s.Control.Effect()) }

// validateKind returns an error if the check does what its Kind excludes.
func (s Spec) validateKind() error {
	switch e := s.effect(); {
	case s.Kind == "":
		return errors.New("it sends requests whose class is that they change something, and has no Kind: say of the requests what they do " +
			"(probe.Probe.Classed, probe.Request.WithoutEffectOn), or use Intrusive or Destructive")
	case !slices.Contains([]Kind{Safe, Guarded, Intrusive, Destructive}, s.Kind):
		return fmt.Errorf("its Kind is %q: use Safe, Guarded, Intrusive or Destructive", s.Kind)
	case s.Kind == Safe && !e.IsRead(), s.Kind == Guarded && e.IsChange():
		return fmt.Errorf("its Kind is %q, and the class of its requests is %q: say better what they do, or use another Kind", s.Kind, e)
	default:
		return nil
	}
}

// validate returns everything that is wrong with the spec.
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
	faults = append(faults, s.validateKind(), s.validateVersions())
	if !slices.Contains([]Lane{Quick, Waiting, Flooding}, s.Lane) {
		faults = append(faults, fmt.Errorf("its Lane is %q: use Quick, Waiting or Flooding", s.Lane))
	}
	if !slices.Contains([]Severity{Critical, High, Medium, Low}, s.Severity) {
		faults = append(faults, fmt.Errorf("its Severity is %q: use Critical, High, Medium or Low", s.Severity))
	}
	if s.Probe.IsZero() {
		faults = append(faults, errors.New("its Probe is empty: build it with a constructor of package probe"))
	}
	faults = append(faults, s.Want.validate(), s.validateControl())
	if s.ForwardedTo != nil && !s.Kind.harmless() {
		faults = append(faults, errors.New("it has a ForwardedTo, which has the probe tried once more, and is neither Safe nor Guarded: drop ForwardedTo"))
	}
	if s.LogText != "" && s.Want.has(probe.Accepted) {
		faults = append(faults, errors.New("it has a LogText, which shows a refusal's reason, but wants an acceptance: drop one of them"))
	}
	return errors.Join(faults...)
}

// validateControl returns what is wrong with the control.
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
