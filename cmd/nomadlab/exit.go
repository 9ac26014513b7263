package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// Exit codes. `nomad` and `exec` pass on those of the commands that they run.
const (
	exitFine   = 0
	exitFailed = 1
	// exitUsage is for what the caller can put right: arguments, the lab's file, a name that is taken, a certificate that
	// cannot be used, Docker not there.
	exitUsage = 2
	// exitUnproved is for checks of which none found a promise broken, and some or all could not be carried out.
	exitUnproved = 3
	// exitOutdated is for a posture that is stronger than its lock, or than the old one, and in nothing weaker.
	exitOutdated = 4
)

// exitError ends the command with a code and without a word, because all has been said.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// passOn makes the exit code of an inner command our own.
func passOn(code int, err error) error {
	if err != nil || code == exitFine {
		return err
	}
	return &exitError{code: code}
}

// usageError is wrong usage. Its text ends with where the right usage is described.
type usageError struct {
	err  error
	path string
}

func (e *usageError) Error() string { return fmt.Sprintf("%v\nsee `%s --help`", e.err, e.path) }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return asUsage(cmd, fmt.Errorf(format, args...))
}

func asUsage(cmd *cobra.Command, err error) error {
	if errors.As(err, new(*usageError)) {
		return err
	}
	return &usageError{err: err, path: cmd.CommandPath()}
}

// say prints the error, unless there is nothing to add, and returns the exit code.
func say(ctx context.Context, w io.Writer, err error) int {
	var quiet *exitError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &quiet):
		return quiet.code
	case ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, new(*interruptedError)):
		_, _ = fmt.Fprintln(w, "nomadlab: interrupted")
		return exitFailed
	}
	_, _ = fmt.Fprintln(w, "nomadlab:", indent(err.Error(), "  "))
	return exitCode(err)
}

// exitCode tells what the caller can put right from what failed.
func exitCode(err error) int {
	if errors.As(err, new(*usageError)) {
		return exitUsage
	}
	if lab.IsForUserToMend(err) {
		return exitUsage
	}
	for _, known := range []error{
		engines.ErrUnknown, engines.ErrAmbiguous, engine.ErrUnavailable,
		regress.ErrConfiguration, mutation.ErrUnknown, lock.ErrLock, inspect.ErrCredential, inspect.ErrAddress, inspect.ErrUntrusted,
	} {
		if errors.Is(err, known) {
			return exitUsage
		}
	}
	if errors.Is(err, inspect.ErrNoAnswer) {
		return exitUnproved
	}
	return exitFailed
}

// interruptedError says what became of the lab when the user interrupted its start.
type interruptedError struct{ text string }

func (e *interruptedError) Error() string { return "interrupted: " + e.text }
func (e *interruptedError) Unwrap() error { return context.Canceled }

// interrupted says what lab.Up's error means for the user who interrupted it. Only a lab that was begun was there to be
// removed: who waits for a name that another lab still has must not be told to remove that one. And the removal counts
// as done only where nothing but the interruption itself went wrong.
func interrupted(ctx context.Context, name string, err error) error {
	begun, alone := errors.As(err, new(*lab.StartError)), onlyInterrupted(ctx, err)
	switch {
	case begun && alone:
		return &interruptedError{text: fmt.Sprintf("what was started of lab %s has been removed", name)}
	case begun:
		return &interruptedError{text: fmt.Sprintf("%v\nif `nomadlab list` still shows it: `nomadlab down %s`", err, name)}
	case alone:
		return &interruptedError{text: fmt.Sprintf("nothing of lab %s was started", name)}
	default:
		return err
	}
}

// onlyInterrupted is true for an error that has no other root than the end of ctx.
func onlyInterrupted(ctx context.Context, err error) bool {
	switch wrapping := err.(type) { //nolint:errorlint // it is the tree that is walked
	case interface{ Unwrap() []error }:
		for _, e := range wrapping.Unwrap() {
			if !onlyInterrupted(ctx, e) {
				return false
			}
		}
		return true
	case interface{ Unwrap() error }:
		if wrapped := wrapping.Unwrap(); wrapped != nil {
			return onlyInterrupted(ctx, wrapped)
		}
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))
}

// tooLate removes a lab that was up when its start was interrupted, and says it as lab.Up does.
func tooLate(ctx context.Context, l *lab.Lab) error {
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	return &lab.StartError{Lab: l.Name(), Err: errors.Join(ctx.Err(), l.Down(removing))}
}
