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
	"sync"
	"time"

	"nomadlab.internal/lab/engine"
)

// logEvery is how often a follower looks for more.
const logEvery = 20 * time.Millisecond

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
	return &follower{ctx: ctx, file: f, node: p, closed: make(chan struct{})}, nil
}

// follower reads a log that grows.
type follower struct {
	ctx    context.Context //nolint:containedctx // it is that of the call to Logs, whose result this is
	file   *os.File
	node   proc
	closed chan struct{}
	once   sync.Once
}

// Read waits for more until the node has ended. Whether it has is asked before the file: what it wrote last is not missed.
func (f *follower) Read(p []byte) (int, error) {
	for {
		now, there := f.node.now()
		n, err := f.file.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) || !there || now.ended() {
			return n, err
		}
		if err := f.pause(); err != nil {
			return 0, err
		}
	}
}

func (f *follower) pause() error {
	timer := time.NewTimer(logEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.closed:
		return fs.ErrClosed
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// Close ends a Read that waits.
func (f *follower) Close() error {
	err := fs.ErrClosed
	f.once.Do(func() {
		close(f.closed)
		err = f.file.Close()
	})
	return err
}
