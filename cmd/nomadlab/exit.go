package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
	"nomadlab.internal/lab/rehearsal"
)

// Exit codes. `nomad` and `exec` exit with the code of the command that they ran.
const (
	exitFine   = 0
	exitFailed = 1
	// exitUsage is for what the user can correct: arguments, the lab's file, a name that is taken, a certificate that
	// cannot be used, a Docker daemon that does not answer.
	exitUsage = 2
	// exitUnproved means that no check failed, but some were inconclusive, all were skipped, or no agent answered.
	exitUnproved = 3
	// exitOutdated is for a posture that is stronger than its lock, or than the old one, and nowhere weaker.
	exitOutdated = 4
)

// exitError ends the command with a code. Nothing is printed, because the output has the reason.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// passOn returns an exitError for a code other than 0, unless err has the reason.
func passOn(code int, err error) error {
	if err != nil || code == exitFine {
		return err
	}
	return &exitError{code: code}
}

// usageError is wrong usage. Its text ends with a pointer to the command's help.
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

// printError prints the error, unless it is an exitError, and returns the exit code.
func printError(ctx context.Context, w io.Writer, err error) int {
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

// exitCode returns exitUsage for errors that the user can correct, exitUnproved if no agent answered, else exitFailed.
func exitCode(err error) int {
	if errors.As(err, new(*usageError)) || lab.IsUserError(err) {
		return exitUsage
	}
	for _, known := range []error{
		engines.ErrUnknown, engines.ErrAmbiguous, engine.ErrUnavailable,
		regress.ErrConfiguration, rehearsal.ErrRefused, mutation.ErrUnknown, lock.ErrLock, inspect.ErrCredential, inspect.ErrAddress, inspect.ErrUntrusted,
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

// interruptedError says what became of a lab whose start the user interrupted.
type interruptedError struct{ text string }

func (e *interruptedError) Error() string { return "interrupted: " + e.text }
func (e *interruptedError) Unwrap() error { return context.Canceled }

// interrupted turns lab.Up's error into a message for the user who interrupted it. It names `nomadlab down` only for a
// lab that was begun: while Up waits for a name, the lab of that name is another one. The removal counts as done only if
// nothing failed but the interruption itself.
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

// onlyInterrupted reports whether every root of the error is the end of ctx.
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
