package process

import (
	"context"
	"syscall"
	"time"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/poll"
)

// pollInterval is the time between two checks of a condition.
const pollInterval = 2 * time.Millisecond

// collectTimeout is how long to wait until the parent of an ended process has collected it.
const collectTimeout = 2 * time.Second

// exitStatus returns the exit code as a shell and Docker do: 128 plus the signal's number if a signal ended the process.
func exitStatus(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// awaitEnd returns when p has ended or the time is over.
func awaitEnd(ctx context.Context, p procfs.Process, within time.Duration) error {
	return until(ctx, within, func() bool { return !p.Alive() })
}

// awaitCollected returns when the kernel no longer lists an ended process. It does not wait for a child of the init process,
// which in a container may never collect it.
func awaitCollected(ctx context.Context, p procfs.Process) {
	_ = until(ctx, collectTimeout, func() bool {
		now, ok := p.Now()
		return !ok || now.Parent == 1
	})
}

// until polls a condition until it is true or the time is over. It returns ctx's error.
func until(ctx context.Context, within time.Duration, condition func() bool) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if poll.Every(limited, pollInterval, condition) == nil {
		return nil
	}
	return ctx.Err()
}
