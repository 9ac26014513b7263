package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/spec"
)

// TestInterruptedSaysWhatBecameOfTheLab, and never more than is known.
func TestInterruptedSaysWhatBecameOfTheLab(t *testing.T) {
	signal := errors.New("interrupt signal received") // what os/signal's contexts have as their cause
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signal)
	waiting := fmt.Errorf("waited for a leader: %w", signal)
	stuck := fmt.Errorf("remove lab x: %w", errors.New("the daemon does not answer"))
	begun := func(errs ...error) error { return &lab.StartError{Lab: "x", Err: errors.Join(errs...)} }
	const removed, nothing, down = "what was started of lab x has been removed", "nothing of lab x was started", "nomadlab down x"
	for name, c := range map[string]struct {
		err        error
		says, not  string
		interrupts bool
	}{
		"while it was waited for":       {begun(waiting), removed, down, true},
		"while something was asked":     {begun(fmt.Errorf("list: %w", context.Canceled)), removed, down, true},
		"while both":                    {begun(waiting, context.Canceled), removed, down, true},
		"and it could not be removed":   {begun(waiting, stuck), down, removed, true},
		"and that is told":              {begun(waiting, stuck), "the daemon does not answer", removed, true},
		"while a child was run":         {begun(fmt.Errorf("build: %w", &exec.ExitError{})), down, removed, true},
		"before anything was begun":     {waiting, nothing, down, true},
		"when it would have failed too": {fmt.Errorf("%w: lab x", spec.ErrTaken), "taken", nothing, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := interrupted(ctx, "x", c.err)
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), c.not) {
				t.Errorf("it says %q, want %q and not %q", err, c.says, c.not)
			}
			if errors.As(err, new(*interruptedError)) != c.interrupts {
				t.Errorf("it is %T", err)
			}
		})
	}
}

// TestInterruptedWhileAnotherLabHasTheName: that lab is nobody's to remove.
func TestInterruptedWhileAnotherLabHasTheName(t *testing.T) {
	a, labs := faked(t, "demo") // whose folder does not exist, so that it may be what a killed start left
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := &cancelling{at: "waiting until", cancel: cancel}
	var out strings.Builder
	if code := a.execute(ctx, []string{"up", "--name", "demo"}, nil, &out, errs); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	contains(t, errs.String(), "interrupted: nothing of lab demo was started")
	if strings.Contains(errs.String(), "nomadlab down") || len(labs) != 1 {
		t.Errorf("the other lab: %v\n%s", labs.names(), errs.String())
	}
}
