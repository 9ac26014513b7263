package deadline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Fair returns a copy of ctx that ends after d where this machine has a processor for everything that wants one. Where twice
// as many threads want to run as there are processors it ends after 2d, and so on, up to d and Hang. It is for a wait that
// often is in vain, such as that for an agent that hangs: with minutes nobody would wait for it, and with seconds alone a
// busy machine would take a slow agent for a dead one.
//
// How busy the machine is, is looked at when d is over, and again when what was added is over. The context's Err is then
// context.DeadlineExceeded, and its Cause, which is an *OverError, says how much time was given. Its Deadline is that of ctx.
// The caller must cancel it.
func Fair(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return fair(ctx, 0, d, load)
}

// FairAfter is Fair for somebody who lets time pass by a clock of their own before they answer, such as an agent that waits for
// a limit: that time passes on a busy machine as on a quiet one, and d alone is stretched.
func FairAfter(ctx context.Context, passes, d time.Duration) (context.Context, context.CancelFunc) {
	return fair(ctx, passes, d, load)
}

// Stretch returns d for a machine that has a processor for everything that wants one, and else as much more as Fair would
// give now. It is for what is no wait, such as a time in which nothing has come.
func Stretch(d time.Duration) time.Duration { return stretch(d, load()) }

func stretch(d time.Duration, load float64) time.Duration {
	return min(time.Duration(max(load, 1)*float64(d)), d+Hang)
}

// OverError says that the time of a Fair context is over. It wraps context.DeadlineExceeded.
type OverError struct {
	// Fair is the time that was to be given, and Given what was given for it.
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

// fair is FairAfter with a load of one's own: how many threads want to run for each processor.
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
	l := limited{Context: inner, done: make(chan struct{})}
	context.AfterFunc(inner, func() { close(l.done) })
	return l, func() { cancel(context.Canceled) }
}

// limited is a context that ends as one with a deadline does, though its deadline is not known before.
type limited struct {
	context.Context //nolint:containedctx // it is one
	// done is a channel of its own: contexts that are made of one with the inner's would end with the inner's error.
	done chan struct{}
}

func (l limited) Done() <-chan struct{} { return l.done }

// Err is context.DeadlineExceeded where the time is over.
func (l limited) Err() error {
	select {
	case <-l.done:
	default:
		return nil
	}
	if errors.As(context.Cause(l.Context), new(*OverError)) {
		return context.DeadlineExceeded
	}
	return l.Context.Err()
}
