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
