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
