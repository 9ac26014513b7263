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
	// Ready is a leader, every server a voter, every client ready, every agent healthy. It is the zero value's meaning.
	Ready Wait = "ready"
	// Elected is a leader; clients are started, and get ready by themselves.
	Elected Wait = "leader"
	// Started is only that every agent was started. Clients that find no leader try again after 15 to 30 s. A lab whose ACL
	// system is to be bootstrapped needs a leader for that all the same.
	Started Wait = "none"
)

// UpOptions say how to bring a lab up, not what it is. The zero value waits until the lab is ready.
type UpOptions struct {
	// Wait says what to wait for. Zero: Ready.
	Wait Wait
	// Timeout bounds the start once the image is there. Zero: deadline.Start.
	Timeout time.Duration
	// Patience is how long to wait for each thing before the lab is returned as it is, with Lab.Unready: for a cluster that
	// may never get ready, and is to be looked at all the same. An agent that ends is an error nevertheless. Zero: Up waits
	// until the Timeout is over, and fails.
	Patience time.Duration
	// Expires is when the next start on this machine may remove the lab, should nobody have done so. Zero: never.
	Expires time.Time
	// Others are further engines that this machine has: the names of their labs are taken too. Nil: there are none.
	Others []engine.Engine
	// Progress is told what happens. Nil is fine.
	Progress func(Event)
	// Begun is given the lab once its keys exist and before its first node is started, for those who watch it come up. It
	// must return at once. Nil is fine.
	Begun func(*Lab)
}

// Event is one line of progress.
type Event struct {
	// Stage is what is being done: "claim", "image", "network", "servers", "leader", "acl", "clients", "ready".
	Stage string
	// Text says it in words.
	Text string
	// Done is true when the stage has ended.
	Done bool
}

// StartError is returned when a lab did not come up. What was there of it has been removed.
type StartError struct {
	Lab string
	// Evidence is the folder that has each node's log and configuration. Empty when no node was started.
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

// Up brings up the lab that the Spec asks for. The lab is removed when this process dies, until Lab.Keep says that it
// is to stay. It returns an error that wraps ErrInvalid, with nothing started, for a Spec that cannot be; a *StartError,
// with everything removed and the evidence kept, for a lab that did not come up. A lab on this machine's loopback whose started
// agents run something for strangers was started, and is removed again: that error wraps ErrInvalid too.
func Up(ctx context.Context, e engine.Engine, s spec.Spec, o UpOptions) (*Lab, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s = s.WithDefaults()
	if err := tidy(ctx, o.all(e), o.tell); err != nil {
		return nil, err
	}
	name, err := claim(ctx, o.all(e), s.Name, o.tell)
	if err != nil {
		return nil, err
	}
	defer name.Release()
	l := newLab(e, s)
	if err := l.bringUp(ctx, o); err != nil {
		return nil, l.giveUp(ctx, err)
	}
	return l, nil
}

func newLab(e engine.Engine, s spec.Spec) *Lab {
	run := newRun()
	return &Lab{
		engine: e, folder: state.FolderOf(s.Name, run),
		record: state.Record{Run: run, Spec: s, Plan: plan.Plan{Name: s.Name}, Engine: e.Name(), Site: site(e), Created: time.Now().Truncate(time.Second)},
	}
}

// newRun is a name for one run of a lab.
func newRun() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return hex.EncodeToString(random)
}

func (l *Lab) bringUp(ctx context.Context, o UpOptions) error {
	if err := l.watch(ctx); err != nil {
		return err
	}
	owner, err := l.folder.Make()
	if err != nil {
		return err
	}
	l.owner = owner
	// Whether there can be a plan is known at once; getting Nomad may take minutes.
	if _, err := planOn(ctx, l.engine, l.record.Spec, l.record.Run); err != nil {
		return err
	}
	if err := l.getNomad(ctx, o.tell); err != nil {
		return err
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = deadline.Start
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the lab was not up within %s", timeout))
	defer cancel()
	secrets, err := l.lay(ctx, o)
	if err != nil {
		return err
	}
	if err := l.accept(ctx); err != nil {
		return err
	}
	if o.Begun != nil {
		o.Begun(l)
	}
	if err := l.boot(ctx, secrets, o); err != nil {
		return err
	}
	return l.refuseExposed(ctx)
}

// giveUp removes what there is of a lab that did not come up, and keeps the evidence. The caller's context may have
// ended, and may be why.
func (l *Lab) giveUp(ctx context.Context, cause error) error {
	failed := &StartError{Lab: l.Name()}
	cause = state.OutOfSpace(cause)
	// Whether the user interrupted is the caller's context's to say: the cause may be the signal itself.
	interrupted := errors.Is(ctx.Err(), context.Canceled)
	if len(l.nodes) > 0 && !interrupted && !forUserToMend(cause) && !errors.Is(cause, spec.ErrNoSpace) {
		looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Hang)
		defer cancel()
		at, err := l.Evidence(looking, cause)
		if failed.Evidence = at; at == "" {
			cause = errors.Join(cause, err)
		}
	}
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	failed.Err = errors.Join(cause, l.Down(removing))
	if forUserToMend(cause) {
		return failed.Err
	}
	return failed
}

// forUserToMend is true for errors that say what the user can put right, and that no log would explain any further.
func forUserToMend(err error) bool {
	for _, kind := range []error{spec.ErrInvalid, engine.ErrNoSpace, image.ErrUnknownVersion, image.ErrNotInRegistry, image.ErrNoRegistry, image.ErrUnusableBinary, image.ErrNeedsDocker, image.ErrNoSpace} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// all are all engines.
func (o UpOptions) all(e engine.Engine) []engine.Engine {
	return append([]engine.Engine{e}, o.Others...)
}

func (o UpOptions) tell(e Event) {
	if o.Progress != nil {
		o.Progress(e)
	}
}

// stage tells of something before and after it is done.
func (o UpOptions) stage(name, doing, done string, do func() error) error {
	o.tell(Event{Stage: name, Text: doing})
	if err := do(); err != nil {
		return err
	}
	o.tell(Event{Stage: name, Text: done, Done: true})
	return nil
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
