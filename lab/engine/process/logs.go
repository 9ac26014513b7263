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

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

const (
	// logEvery is how often a follower looks for more.
	logEvery = 20 * time.Millisecond
	// goneEvery is how often it looks whether the node has ended, which costs more than to look into a file.
	goneEvery = 200 * time.Millisecond
)

// Logs returns what the node has written in all its starts. A follower hears the start that is now, to its end.
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
	return &follower{ctx: ctx, file: f, node: p}, nil
}

// follower reads a log that grows. When it is closed, a Read that waits finds the file closed at its next look.
type follower struct {
	file *os.File        // not embedded: its WriteTo would end with what is there now
	ctx  context.Context //nolint:containedctx // it is that of the call to Logs, whose result this is
	node procfs.Process
	// looked is when it was last looked whether the node has ended.
	looked time.Time
}

// Read waits for more until the node has ended. Whether it has is asked before the file: what it wrote last is not missed.
func (f *follower) Read(p []byte) (int, error) {
	ticker := time.NewTicker(logEvery)
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

// ended reports whether the node has ended, as far as was looked.
func (f *follower) ended() bool {
	if time.Since(f.looked) < goneEvery {
		return false
	}
	f.looked = time.Now()
	now, there := f.node.Now()
	return !there || now.Ended()
}

// Close ends the follower.
func (f *follower) Close() error { return f.file.Close() }
