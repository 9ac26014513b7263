package process

import (
	"context"
	"syscall"
	"time"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/poll"
)

// endEvery is how often a process that is to end is looked at.
const endEvery = 2 * time.Millisecond

// collectWithin bounds how long an ended process is waited for until its parent has asked for its exit code.
const collectWithin = 2 * time.Second

// code is the exit code as a shell and Docker give it: of a process that a signal ended, 128 and the signal's number.
func code(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// awaitEnd returns when p has ended or the time is over.
func awaitEnd(ctx context.Context, p procfs.Process, within time.Duration) error {
	return until(ctx, within, func() bool { return !p.Alive() })
}

// awaitCollected returns when an ended process is no longer listed by the kernel. It does not wait for one that was left to
// the init process, which in a container may never ask for it.
func awaitCollected(ctx context.Context, p procfs.Process) {
	_ = until(ctx, collectWithin, func() bool {
		now, ok := p.Now()
		return !ok || now.Parent == 1
	})
}

// until polls a condition until it holds or the time is over. The error is that of ctx.
func until(ctx context.Context, within time.Duration, condition func() bool) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if poll.Every(limited, endEvery, condition) == nil {
		return nil
	}
	return ctx.Err()
}
