package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
)

const (
	// ncScript prints its process ID, so that it can be killed, and becomes nc.
	ncScript = `echo $$; exec nc 127.0.0.1 "$1"`
	// maxNCStarts is how many nc commands are started at the same time.
	maxNCStarts = 4
	// ncGrace is how long nc may take to end by itself, which it does when the node has closed its direction.
	ncGrace = time.Second
)

// ncConn is a connection that nc makes inside a container; its standard streams carry the data. It takes a tenth of a
// second or two to make, and is not a full TCP connection: nc ends when the node closes its direction, although the
// caller might go on, and a reset by the node looks like an end. A paused container runs no nc, so the caller is reset
// where it would otherwise wait.
type ncConn struct {
	client.HijackedResponse
	engine    *Engine
	container string
	pid       int
	// first is what the node sent while the process ID was read.
	first []byte
	// stderr is not empty if nc could not connect.
	stderr  bytes.Buffer
	aborted sync.Once
}

// dialNC starts nc, and returns when it runs. Reads show whether it is connected.
func (e *Engine) dialNC(ctx context.Context, id string, port uint16) (*ncConn, error) {
	if err := e.ncStarts.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer e.ncStarts.Release(1)
	created, err := e.client.ExecCreate(ctx, id, client.ExecCreateOptions{
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Cmd: []string{"/bin/sh", "-c", ncScript, "sh", strconv.Itoa(int(port))},
	})
	if err != nil {
		return nil, explain(err)
	}
	attached, err := e.client.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, explain(err)
	}
	c := &ncConn{HijackedResponse: attached.HijackedResponse, engine: e, container: id}
	// ctx does not limit this: a process whose ID is unknown could not be killed.
	err = attached.Conn.SetReadDeadline(time.Now().Add(deadline.Hang))
	if err == nil {
		err = c.readPID()
	}
	if err == nil {
		err = attached.Conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		attached.Close()
		return nil, fmt.Errorf("run nc in the container: %w", err)
	}
	return c, nil
}

// readPID reads the first line of the output, before any byte of the connection. The daemon may send standard error
// before it, because it reads the two streams independently.
func (c *ncConn) readPID() error {
	var output bytes.Buffer
	for {
		// A frame of the daemon's stream begins with its kind and, in the last four bytes, its length (package stdcopy).
		var head [8]byte
		if _, err := io.ReadFull(c.Reader, head[:]); err != nil {
			return fmt.Errorf("%w: %q", err, output.String()+c.stderr.String())
		}
		to := &output
		if stdcopy.StdType(head[0]) == stdcopy.Stderr {
			to = &c.stderr
		}
		if _, err := io.CopyN(to, c.Reader, int64(binary.BigEndian.Uint32(head[4:]))); err != nil {
			return err
		}
		line, more, whole := bytes.Cut(output.Bytes(), []byte("\n"))
		if !whole {
			continue
		}
		var err error
		if c.pid, err = strconv.Atoi(string(line)); err != nil {
			return fmt.Errorf("not a process ID: %q", output.String())
		}
		c.first = more
		return nil
	}
}

// WriteTo writes what the node sends. It returns an error if nc wrote to standard error, because it was not connected.
func (c *ncConn) WriteTo(w io.Writer) (int64, error) {
	if _, err := w.Write(c.first); err != nil {
		return 0, err
	}
	written, err := stdcopy.StdCopy(w, &c.stderr, c.Reader)
	if err == nil && c.stderr.Len() > 0 {
		err = errors.New(c.stderr.String())
	}
	return written + int64(len(c.first)), err
}

// Read is not used: io.Copy prefers WriteTo.
func (c *ncConn) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write sends to the node.
func (c *ncConn) Write(p []byte) (int, error) { return c.Conn.Write(p) }

// Close closes the connection to the daemon. Unless abort was called, nc has ended by then.
func (c *ncConn) Close() error { return c.Conn.Close() }

// abort ends nc, and kills it if it does not end. The daemon would let it run while the node keeps the connection open.
func (c *ncConn) abort() {
	c.aborted.Do(func() {
		_ = c.CloseWrite()
		err := c.Conn.SetReadDeadline(time.Now().Add(ncGrace))
		if err == nil {
			_, err = io.Copy(io.Discard, c.Conn)
		}
		if err != nil && !errors.Is(err, net.ErrClosed) { // after Close, nc has ended
			c.kill()
		}
		_ = c.Conn.Close()
	})
}

// kill works after the caller's context has ended. It ignores errors: nc or its container may be gone already.
func (c *ncConn) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Hang)
	defer cancel()
	created, err := c.engine.client.ExecCreate(ctx, c.container, client.ExecCreateOptions{
		Cmd: []string{"/bin/sh", "-c", `kill "$1"`, "sh", strconv.Itoa(c.pid)},
	})
	if err == nil {
		_, _ = c.engine.client.ExecStart(ctx, created.ID, client.ExecStartOptions{Detach: true})
	}
}
