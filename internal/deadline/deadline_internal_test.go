package deadline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestABusyMachineIsGivenMoreTime: what is given is the time times the load, and never less than the time.
func TestABusyMachineIsGivenMoreTime(t *testing.T) {
	for name, c := range map[string]struct {
		load float64
		want time.Duration
		says string
	}{
		"quiet":            {0.2, 2 * time.Second, "within 2s"},
		"just busy":        {1, 2 * time.Second, "within 2s"},
		"six times":        {6, 12 * time.Second, "within 12s, which this busy machine was given for 2s"},
		"the load is none": {0, 2 * time.Second, "within 2s"},
		"beyond all":       {1000, 2*time.Second + Hang, "for 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := fair(t.Context(), 0, 2*time.Second, func() float64 { return c.load })
				defer cancel()
				<-ctx.Done()
				if took := time.Since(began); took != c.want {
					t.Errorf("it ended after %s, want %s", took, c.want)
				}
				if cause := context.Cause(ctx); !errors.Is(ctx.Err(), context.DeadlineExceeded) ||
					!errors.Is(cause, context.DeadlineExceeded) || !strings.Contains(cause.Error(), c.says) {
					t.Errorf("error %v, cause %v, want that %q is in it", ctx.Err(), cause, c.says)
				}
			})
		})
	}
}

// TestTheLoadIsLookedAtAgain: a machine that is busier by then is given more, and one that is quiet by then no more than it
// had.
func TestTheLoadIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := []float64{2, 3, 1}
		began := time.Now()
		ctx, cancel := fair(t.Context(), 0, time.Second, func() float64 {
			now := loads[0]
			loads = loads[1:]
			return now
		})
		defer cancel()
		<-ctx.Done()
		if took := time.Since(began); took != 3*time.Second || len(loads) != 0 {
			t.Errorf("it ended after %s with %v not looked at, want 3s and none", took, loads)
		}
	})
}

// TestAFairContextEndsWithItsParent, and with its cancel, as any other.
func TestAFairContextEndsWithItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("interrupted")
		parent, end := context.WithCancelCause(t.Context())
		ctx, cancel := Fair(parent, time.Hour)
		defer cancel()
		child, done := context.WithCancel(ctx)
		defer done()
		end(why)
		<-child.Done()
		if !errors.Is(child.Err(), context.Canceled) || context.Cause(child) != why {
			t.Errorf("error %v, cause %v", child.Err(), context.Cause(child))
		}
		ctx, cancel = Fair(t.Context(), time.Hour)
		if ctx.Err() != nil {
			t.Errorf("error %v before it has ended", ctx.Err())
		}
		cancel()
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("error %v, want context.Canceled", ctx.Err())
		}
	})
}

// TestWhatIsMadeOfItEndsAlike: a question that is asked under it ends with the error of a deadline.
func TestWhatIsMadeOfItEndsAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := fair(t.Context(), 0, time.Second, func() float64 { return 1 })
		defer cancel()
		child, done := context.WithCancel(ctx)
		defer done()
		<-child.Done()
		if !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("error %v, want context.DeadlineExceeded", child.Err())
		}
	})
}

// TestWhatPassesByItselfIsNotStretched: a limit of five seconds takes five on a busy machine, and what comes after takes longer.
func TestWhatPassesByItselfIsNotStretched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := fair(t.Context(), 5*time.Second, 2*time.Second, func() float64 { return 6 })
		defer cancel()
		<-ctx.Done()
		if took := time.Since(began); took != 17*time.Second {
			t.Errorf("it ended after %s, want 5s and six times 2s", took)
		}
	})
}
