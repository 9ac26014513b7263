// Package deadline has all deadlines of waits.
//
// A deadline ends a hang, and promises no speed: what is done in moments on a quiet machine must also be done, later, on one
// with a load of six times its processors. So a deadline is minutes, or it is Fair. Times that Nomad promises, such as a limit
// of its own or an election, stand beside the check that rests on them.
package deadline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/internal/procfs"
)

const (
	// Hang bounds a wait that has no deadline of its own: one question, one command, one step of a scenario. On a quiet machine
	// the slowest takes some ten seconds (a client that was refused once comes back after 15 to 30 s, client/client.go:2104); a
	// load of six times the processors makes it some minutes at worst.
	Hang = 5 * time.Minute
	// Start bounds the start of a lab once there is a Nomad. A quiet machine takes 3 s for five nodes and 11 s for 43. A node
	// that ends is noticed at once, and ends the start.
	Start = 10 * time.Minute
	// Removal bounds the removal of a lab, a node, or a process. SIGKILL and the removal of a folder take moments, but a Docker
	// daemon removes the containers of several labs one after another.
	Removal = 5 * time.Minute
)

// Fair returns a copy of ctx that ends after d on a machine that has a processor for every runnable thread. With twice as many
// runnable threads as processors it ends after 2d, and so on, up to d and Hang. It is for a wait that often is in vain, such as
// for an agent that hangs: with minutes the caller would wait too long, and with seconds a busy machine would take a slow agent
// for a dead one.
//
// The load is read when d is over, and again when the added time is over. Then Err returns context.DeadlineExceeded, and the
// Cause, an *OverError, says how much time was given. Deadline returns that of ctx. The caller must cancel the context.
func Fair(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return fair(ctx, 0, d, procfs.Load)
}

// FairAfter is Fair for a wait for something that first lets time pass by its own clock, such as an agent that waits for a
// limit: that time passes on a busy machine as on a quiet one, and only d is extended.
func FairAfter(ctx context.Context, passes, d time.Duration) (context.Context, context.CancelFunc) {
	return fair(ctx, passes, d, procfs.Load)
}

// Stretch returns the time that Fair would give now for d. It is for a time that is no wait, such as one in which nothing came.
func Stretch(d time.Duration) time.Duration { return stretch(d, procfs.Load()) }

func stretch(d time.Duration, load float64) time.Duration {
	return min(time.Duration(max(load, 1)*float64(d)), d+Hang)
}

// OverError says that the time of a Fair context is over. It wraps context.DeadlineExceeded.
type OverError struct {
	// Fair is the time on a quiet machine, and Given the time that was given for it.
	Fair, Given time.Duration
}

func (e *OverError) Error() string {
	if e.Given < e.Fair*3/2 {
		return fmt.Sprintf("it was not done within %s", e.Given.Round(time.Millisecond))
	}
	return fmt.Sprintf("it was not done within %s, which this busy machine was given for %s", e.Given.Round(time.Millisecond), e.Fair)
}

// Unwrap returns context.DeadlineExceeded.
func (e *OverError) Unwrap() error { return context.DeadlineExceeded }

// fair is FairAfter with a function that returns the load: how many threads are runnable for each processor.
func fair(ctx context.Context, passes, d time.Duration, load func() float64) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancelCause(ctx)
	go func() {
		began := time.Now()
		timer := time.NewTimer(passes + d)
		defer timer.Stop()
		for {
			select {
			case <-inner.Done():
				return
			case <-timer.C:
			}
			given := time.Since(began)
			left := passes + stretch(d, load()) - given
			if left <= 0 {
				cancel(&OverError{Fair: passes + d, Given: given})
				return
			}
			timer.Reset(left)
		}
	}()
	f := fairContext{Context: inner, done: make(chan struct{})}
	context.AfterFunc(inner, func() { close(f.done) })
	return f, func() { cancel(context.Canceled) }
}

// fairContext is a context that ends like one with a deadline, although its deadline is not known before.
type fairContext struct {
	context.Context //nolint:containedctx // it is one
	// done is a channel of its own: with the inner one, contexts derived from this would end with the inner context's error.
	done chan struct{}
}

func (f fairContext) Done() <-chan struct{} { return f.done }

// Err returns context.DeadlineExceeded if the time is over.
func (f fairContext) Err() error {
	select {
	case <-f.done:
	default:
		return nil
	}
	if errors.As(context.Cause(f.Context), new(*OverError)) {
		return context.DeadlineExceeded
	}
	return f.Context.Err()
}
