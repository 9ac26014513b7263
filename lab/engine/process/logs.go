package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

const (
	// logInterval is the time between two reads of a follower at the end of the file.
	logInterval = 20 * time.Millisecond
	// endedInterval is the time between two checks of whether the node has ended, which cost more than a read.
	endedInterval = 200 * time.Millisecond
)

// Logs returns what the node has written in all its starts. With follow, it ends with the current start, or
// with that of the last RestartProgram.
func (e *Engine) Logs(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
	n, err := e.record(r)
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", r, err)
	}
	f, err := os.Open(filepath.Join(e.run(n.Run).node(n.Node), logFile))
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(strings.NewReader("")), nil // it was never started
	}
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", r, err)
	}
	p, _, runs := e.running(n)
	if !follow || !runs {
		return f, nil
	}
	return &follower{ctx: ctx, file: f, agent: p.ID, own: e.run(n.Run).node(n.Node)}, nil
}

// follower reads a log that grows. After Close, a waiting Read returns an error within logInterval.
type follower struct {
	file *os.File        // not embedded: its WriteTo would end with what is there now
	ctx  context.Context //nolint:containedctx // it is that of the call to Logs, whose result this is
	// agent is the node's process, of its last start if RestartProgram has restarted it.
	agent procfs.ID
	// own is the engine's folder of the node.
	own string
	// checkedAt is when it was last looked whether the node has ended.
	checkedAt time.Time
}

// Read waits for more until the node has ended. It checks that before it reads, so that the last output is not missed.
func (f *follower) Read(p []byte) (int, error) {
	ticker := time.NewTicker(logInterval)
	defer ticker.Stop()
	for {
		ended := f.ended()
		n, err := f.file.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) || ended {
			return n, err
		}
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			return 0, f.ctx.Err()
		}
	}
}

// ended reports whether the node has ended. It checks once in endedInterval, and returns false in between.
func (f *follower) ended() bool {
	if time.Since(f.checkedAt) < endedInterval {
		return false
	}
	f.checkedAt = time.Now()
	return !f.agent.Alive() && !f.restarted()
}

// restarted reports whether the agent ended only to be started again, and follows the new one once there is one.
func (f *follower) restarted() bool {
	if !restarts(f.own, f.agent) {
		return false
	}
	lock := flock.New(filepath.Join(f.own, startLock), flock.SetPermissions(0o600))
	defer func() { _ = lock.Close() }()
	if free, err := lock.TryRLock(); err != nil || !free {
		return err == nil // RestartProgram is about to start it
	}
	start, there, err := load[startRecord](filepath.Join(f.own, startFile))
	next := procfs.ID{PID: start.PID, Started: start.Ticks}
	if err != nil || !there || next == f.agent {
		return false
	}
	f.agent = next
	return true
}

// Close closes the log.
func (f *follower) Close() error { return f.file.Close() }
