package docker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// Exec runs a command inside the node's container.
func (e *Engine) Exec(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
	return e.exec(ctx, r, "", c)
}

// exec runs a command inside the node's container as a user ("uid:gid"), or, if that is empty, as the container's.
func (e *Engine) exec(ctx context.Context, r engine.Ref, user string, c engine.Command) (int, error) {
	created, err := e.client.ExecCreate(ctx, containerName(r.Lab, r.Node), client.ExecCreateOptions{
		User: user, TTY: c.Terminal, AttachStdin: c.Stdin != nil, AttachStdout: true, AttachStderr: true,
		Env: c.Environment, Cmd: c.Args,
	})
	if err != nil {
		return 0, fmt.Errorf("run %q in %s: %w", c.Args[0], r, explain(err))
	}
	attached, err := e.client.ExecAttach(ctx, created.ID, client.ExecAttachOptions{TTY: c.Terminal})
	if err != nil {
		return 0, fmt.Errorf("attach to %q in %s: %w", c.Args[0], r, explain(err))
	}
	defer attached.Close()
	stop := resize(c.Streams, func(width, height uint) {
		_, _ = e.client.ExecResize(ctx, created.ID, client.ExecResizeOptions{Width: width, Height: height})
	})
	defer stop()
	if err := pump(ctx, attached.HijackedResponse, c.Streams); err != nil {
		return 0, fmt.Errorf("streams of %q in %s: %w", c.Args[0], r, err)
	}
	ended, err := e.client.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if err != nil {
		return 0, fmt.Errorf("exit code of %q in %s: %w", c.Args[0], r, explain(err))
	}
	return ended.ExitCode, nil
}

// pump copies the streams until the command closes its outputs or ctx ends.
func pump(ctx context.Context, conn client.HijackedResponse, s engine.Streams) error {
	if s.Stdin != nil {
		go func() {
			_, _ = io.Copy(conn.Conn, s.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	done := make(chan error, 1)
	go func() {
		stdout, stderr := discardNil(s.Stdout), discardNil(s.Stderr)
		var err error
		if s.Terminal {
			_, err = io.Copy(stdout, conn.Reader)
		} else {
			_, err = stdcopy.StdCopy(stdout, stderr, conn.Reader)
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		conn.Close()
		return errors.Join(ctx.Err(), <-done)
	}
}

func discardNil(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// resize sets the size of the command's terminal to the caller's, now and whenever it changes, until stop is called.
func resize(s engine.Streams, set func(width, height uint)) (stop func()) {
	if !s.Terminal || s.Size == nil {
		return func() {}
	}
	end := make(chan struct{})
	set(s.Size())
	go func() {
		for {
			select {
			case <-s.Resized:
				set(s.Size())
			case <-end:
				return
			}
		}
	}()
	return func() { close(end) }
}

// Logs returns what the node's container has written, from its first line.
func (e *Engine) Logs(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
	raw, err := e.client.ContainerLogs(ctx, containerName(r.Lab, r.Node), client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: follow,
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", r, explain(err))
	}
	out, in := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(in, in, raw)
		_ = raw.Close()
		_ = in.CloseWithError(err)
	}()
	return &logReader{PipeReader: out, raw: raw}, nil
}

// logReader also closes the daemon's stream when it is closed, which ends the goroutine of a follower.
type logReader struct {
	*io.PipeReader
	raw io.Closer
}

func (l *logReader) Close() error {
	_ = l.raw.Close()
	return l.PipeReader.Close()
}
