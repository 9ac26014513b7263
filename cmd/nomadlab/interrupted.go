package main

import (
	"context"
	"errors"
	"fmt"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
)

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
