package enginetest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"nomadlab.internal/lab/engine/enginetest"
)

// recorder is a T that records what is reported.
type recorder struct {
	lock     sync.Mutex
	reports  []string
	cleanups []func()
}

func (*recorder) Helper() {}

func (r *recorder) Cleanup(clean func()) { r.cleanups = append(r.cleanups, clean) }

func (r *recorder) Errorf(format string, args ...any) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// reports returns what a check reports of a subject, in its order.
func reports(ctx context.Context, check func(context.Context, enginetest.T, enginetest.Subject), s enginetest.Subject) []string {
	r := new(recorder)
	r.inGoroutine(func() { check(ctx, r, s) })
	for _, clean := range slices.Backward(r.cleanups) {
		r.inGoroutine(clean)
	}
	return r.reports
}

// inGoroutine returns when do has returned or reported something fatal.
func (r *recorder) inGoroutine(do func()) {
	var wait sync.WaitGroup
	wait.Go(do)
	wait.Wait()
}
