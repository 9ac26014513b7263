package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Wait says what Up waits for before it returns.
type Wait string

// What Up can wait for.
const (
	// Ready waits until the lab is ready; see Lab.WaitReady. It is the zero value's meaning.
	Ready Wait = "ready"
	// Elected waits for a leader. The clients are started and get ready later.
	Elected Wait = "leader"
	// Started waits until every agent was started. Clients that find no leader try again after 15 to 30 s. A lab whose ACL
	// system is to be bootstrapped still waits for a leader.
	Started Wait = "none"
)

// UpOptions say how to bring a lab up, not what it is. The zero value waits until the lab is ready.
type UpOptions struct {
	// Wait says what to wait for. Zero: Ready.
	Wait Wait
	// Timeout bounds the start once the image is there. Zero: deadline.Start.
	Timeout time.Duration
	// ReadyTimeout is how long to wait for each condition before Up returns an unready lab, whose Lab.ReadyErr says what was
	// missing. It is for clusters that may never get ready. An agent that ends is an error nevertheless. Zero: Up fails when
	// the Timeout is over.
	ReadyTimeout time.Duration
	// Expires is when the next start on this machine may remove the lab. Zero: never.
	Expires time.Time
	// Others are the other engines of this machine: the names of their labs are taken too. Nil: none.
	Others []engine.Engine
	// Progress is called with each event. Nil: no progress is reported.
	Progress func(Event)
	// Begun is called with the lab once its keys exist and before its first node is started. It must return at once. Nil: it
	// is not called.
	Begun func(*Lab)
}

// Event is one line of progress.
type Event struct {
	// Phase is the name of a phase of the start, such as "servers". A caller that brings up several labs may add a prefix.
	Phase string
	// Text describes it in words.
	Text string
	// Done reports whether the line is to stay: the phase, or a part of it, has ended.
	Done bool
}

// engines returns all engines of this machine, beginning with e.
func (o UpOptions) engines(e engine.Engine) []engine.Engine {
	return append([]engine.Engine{e}, o.Others...)
}

// report reports that a phase does something.
func (o UpOptions) report(phase, text string) { o.emit(Event{Phase: phase, Text: text}) }

// reportDone reports what a phase has done.
func (o UpOptions) reportDone(phase, text string) {
	o.emit(Event{Phase: phase, Text: text, Done: true})
}

func (o UpOptions) emit(e Event) {
	if o.Progress != nil {
		o.Progress(e)
	}
}

// StartError is returned for a lab that did not come up. Everything that was started of it has been removed.
type StartError struct {
	Lab string
	// Evidence is the folder that has each node's log and configuration. Empty if no node was started.
	Evidence string
	Err      error
}

func (e *StartError) Error() string {
	text := fmt.Sprintf("lab %s did not come up: %v", e.Lab, e.Err)
	if e.Evidence != "" {
		text += "\nlogs and configuration of every node: " + e.Evidence
	}
	return text
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Up brings up the lab that the Spec asks for. The lab is removed when this process ends, unless Lab.Keep was called.
//
// Up returns an error that wraps ErrInvalid, with nothing started, for a Spec that is invalid. It returns a *StartError for a
// lab that did not come up: everything of it is removed, and the evidence is kept. A lab on this machine's loopback whose
// agents would run tasks for unauthenticated callers is removed after its start; that error wraps ErrInvalid too.
func Up(ctx context.Context, e engine.Engine, s spec.Spec, o UpOptions) (*Lab, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	run := newRun()
	s = s.WithDefaults()
	b := &start{options: o, lab: &Lab{
		engine: e, folder: state.FolderOf(s.Name, run),
		record: state.Record{Run: run, Spec: s, Plan: plan.Plan{Name: s.Name}, Engine: e.Name(), Site: site(e)},
	}}
	phases := b.phases()
	if err := carryOut(ctx, phases[:1]); err != nil { // there is nothing to remove yet
		return nil, err
	}
	defer b.name.Release()
	if err := carryOut(ctx, phases[1:]); err != nil {
		return nil, b.lab.giveUp(ctx, err)
	}
	return b.lab, nil
}

// newRun returns a random name for one run of a lab.
func newRun() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return hex.EncodeToString(random)
}

// giveUp keeps the evidence of a lab that did not come up, removes the lab, and returns the error of Up. It works also if
// ctx has ended.
func (l *Lab) giveUp(ctx context.Context, cause error) error {
	failed := &StartError{Lab: l.Name()}
	cause = state.OutOfSpace(cause)
	// The cause may be the signal itself, so only the caller's context says whether the user interrupted.
	interrupted := errors.Is(ctx.Err(), context.Canceled)
	if len(l.nodes) > 0 && !interrupted && !IsUserError(cause) && !errors.Is(cause, spec.ErrNoSpace) {
		collecting, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Hang)
		defer cancel()
		at, err := l.Evidence(collecting, cause)
		if failed.Evidence = at; at == "" {
			cause = errors.Join(cause, err)
		}
	}
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	failed.Err = errors.Join(cause, l.Down(removing))
	if IsUserError(cause) {
		return failed.Err
	}
	return failed
}

// IsUserError reports whether the error of a start is one that the user can put right. No log would explain it further.
func IsUserError(err error) bool {
	for _, kind := range []error{
		spec.ErrInvalid, engine.ErrNoSpace, image.ErrUnknownPart, image.ErrUnknownVersion, image.ErrNotInRegistry, image.ErrNoRegistry,
		image.ErrUnusableBinary, image.ErrNeedsDocker, image.ErrNoSpace,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
