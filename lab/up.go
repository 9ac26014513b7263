package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

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
	b := &start{lab: newLab(e, s.WithDefaults()), options: o}
	phases := b.phases()
	if err := carryOut(ctx, phases[:1]); err != nil { // nothing is there yet
		return nil, err
	}
	defer b.name.Release()
	if err := carryOut(ctx, phases[1:]); err != nil {
		return nil, b.lab.giveUp(ctx, err)
	}
	return b.lab, nil
}

func newLab(e engine.Engine, s spec.Spec) *Lab {
	run := newRun()
	return &Lab{
		engine: e, folder: state.FolderOf(s.Name, run),
		record: state.Record{Run: run, Spec: s, Plan: plan.Plan{Name: s.Name}, Engine: e.Name(), Site: site(e)},
	}
}

// newRun is a name for one run of a lab.
func newRun() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return hex.EncodeToString(random)
}

// giveUp removes what there is of a lab that did not come up, and keeps the evidence. The caller's context may have
// ended, and may be why.
func (l *Lab) giveUp(ctx context.Context, cause error) error {
	failed := &StartError{Lab: l.Name()}
	cause = state.OutOfSpace(cause)
	// Whether the user interrupted is the caller's context's to say: the cause may be the signal itself.
	interrupted := errors.Is(ctx.Err(), context.Canceled)
	if len(l.nodes) > 0 && !interrupted && !IsForUserToMend(cause) && !errors.Is(cause, spec.ErrNoSpace) {
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
	if IsForUserToMend(cause) {
		return failed.Err
	}
	return failed
}

// IsForUserToMend reports whether the error of a start says what its user can put right: no log would explain it any further.
func IsForUserToMend(err error) bool {
	for _, kind := range []error{spec.ErrInvalid, engine.ErrNoSpace, image.ErrUnknownVersion, image.ErrNotInRegistry, image.ErrNoRegistry, image.ErrUnusableBinary, image.ErrNeedsDocker, image.ErrNoSpace} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
