package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

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

// logReader ends the daemon's stream too when it is closed, so that a follower does not stay behind.
type logReader struct {
	*io.PipeReader
	raw io.Closer
}

func (l *logReader) Close() error {
	_ = l.raw.Close()
	return l.PipeReader.Close()
}
