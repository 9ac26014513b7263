package watchdog

import (
	"context"
	"time"
)

// Guard and PipeID let a test make what Start hands to the watchdog.
const Guard = guard

var PipeID = pipeID

// PID returns the process number of the watchdog.
func (w *Watchdog) PID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now.command.Process.Pid
}

// StartWithLimit is Start with a watchdog that gives up after limit.
func StartWithLimit(ctx context.Context, t Target, limit time.Duration) (*Watchdog, error) {
	p := usualPace()
	if limit > 0 {
		p.Limit = limit
	}
	return start(ctx, t, p)
}
