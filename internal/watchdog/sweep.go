package watchdog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

const (
	// patience is how long one kind of object is tried again before the sweep reports it, where the machine is not busy (see
	// deadline.Fair): long enough for a removal by somebody else to finish, short enough to go on with the other kinds where
	// a daemon does not answer.
	patience = 5 * time.Second
	// askEvery is the pause between two questions to the Docker daemon.
	askEvery = 10 * time.Millisecond
)

// Sweep removes all of t once: it kills the marked processes until none is left, removes the containers (by force, with
// their anonymous volumes, side by side), then networks and volumes, then the folders.
//
// It may be repeated, and several may run at once: what is already gone, or being removed by somebody else, is not an
// error; in the second case Sweep waits for the end of that removal.
//
// What descends from a marked process is killed with it, for a task may have cleared its environment. What has none of its
// marked ancestors left by then is not found. Sweep never kills its own process or one that it descends from. As root it
// kills also a process of another user who has given it the marker: a marker is no secret and proves no owner.
//
// A container that does not bear the label is disconnected from a
// labelled network, so that the network can go. Mounts below a folder are detached before its files are removed: a
// removal never reaches through a mount.
//
// The error joins everything that could not be removed, or tells why t is refused; then nothing was touched. Folders are
// kept when anything else is left. The counts hold with an error too.
func Sweep(ctx context.Context, t Target) (Swept, error) {
	var swept Swept
	if err := t.check(); err != nil {
		return swept, err
	}
	var failed []error
	if t.Marker != "" {
		found, err := killMarked(ctx, t.Marker)
		swept.Processes = found
		failed = append(failed, err)
	}
	if t.DockerHost != "" {
		failed = append(failed, sweepDocker(ctx, t, &swept))
	}
	if err := errors.Join(failed...); err != nil {
		return swept, fmt.Errorf("sweep (folders are kept until the rest is gone): %w", err)
	}
	found, err := removeFolders(t.Folders)
	swept.Folders = found
	if err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	return swept, nil
}

// retry calls try until it reports that nothing is left, its patience is over or ctx ends, and returns the last error.
func retry(ctx context.Context, every time.Duration, try func() (done bool, err error)) error {
	trying, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	var last error
	late := poll.Every(trying, every, func() (done bool) {
		done, last = try()
		return done
	})
	switch {
	case late == nil:
		return last
	case ctx.Err() != nil:
		return errors.Join(last, ctx.Err())
	default:
		return errors.Join(last, fmt.Errorf("not gone: %w", context.Cause(trying)))
	}
}
