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

// netcatScript says which process it is, so that it can be killed, and becomes nc.
const netcatScript = `echo $$; exec nc 127.0.0.1 "$1"`

// netcat is a connection that nc makes inside a container. Its standard streams carry it. It costs a tenth of a second or
// two, and a little is lost on the way: nc ends when the node ends its direction, although the caller might go on, and a
// reset by the node looks like an end. A paused container runs no nc, so the caller is reset where it would wait otherwise.
type netcat struct {
	client.HijackedResponse
	engine    *Engine
	container string
	pid       int
	// first is what the node sent while it was read which process it is.
	first []byte
	// said is what nc had to say, which it has when it could not connect.
	said    bytes.Buffer
	aborted sync.Once
}

// netcat starts nc, and returns when it runs. Whether it is connected comes to light when it is read from.
func (e *Engine) netcat(ctx context.Context, id string, port uint16) (*netcat, error) {
	if err := e.netcats.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer e.netcats.Release(1)
	created, err := e.client.ExecCreate(ctx, id, client.ExecCreateOptions{
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Cmd: []string{"/bin/sh", "-c", netcatScript, "sh", strconv.Itoa(int(port))},
	})
	if err != nil {
		return nil, explain(err)
	}
	attached, err := e.client.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, explain(err)
	}
	n := &netcat{HijackedResponse: attached.HijackedResponse, engine: e, container: id}
	// Not ctx bounds this: without its number a process could not be killed.
	err = attached.Conn.SetReadDeadline(time.Now().Add(deadline.Hang))
	if err == nil {
		err = n.introduce()
	}
	if err == nil {
		err = attached.Conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		attached.Close()
		return nil, fmt.Errorf("run nc in the container: %w", err)
	}
	return n, nil
}

// introduce reads which process it is: the first line of its output, before any byte of the connection. The daemon may put
// what nc has to say before that, for it reads both streams on their own.
func (n *netcat) introduce() error {
	var output bytes.Buffer
	for {
		// A frame of the daemon's stream begins with its kind and, in the last four bytes, its length (package stdcopy).
		var head [8]byte
		if _, err := io.ReadFull(n.Reader, head[:]); err != nil {
			return fmt.Errorf("%w: %q", err, output.String()+n.said.String())
		}
		to := &output
		if stdcopy.StdType(head[0]) == stdcopy.Stderr {
			to = &n.said
		}
		if _, err := io.CopyN(to, n.Reader, int64(binary.BigEndian.Uint32(head[4:]))); err != nil {
			return err
		}
		line, more, whole := bytes.Cut(output.Bytes(), []byte("\n"))
		if !whole {
			continue
		}
		var err error
		if n.pid, err = strconv.Atoi(string(line)); err != nil {
			return fmt.Errorf("it is not known which process it is: %q", output.String())
		}
		n.first = more
		return nil
	}
}

// WriteTo carries what the node sends. It is an error that nc had something to say: it was not connected.
func (n *netcat) WriteTo(w io.Writer) (int64, error) {
	if _, err := w.Write(n.first); err != nil {
		return 0, err
	}
	written, err := stdcopy.StdCopy(w, &n.said, n.Reader)
	if err == nil && n.said.Len() > 0 {
		err = errors.New(n.said.String())
	}
	return written + int64(len(n.first)), err
}

// Read is not used: io.Copy prefers WriteTo.
func (n *netcat) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write carries what the caller sends.
func (n *netcat) Write(p []byte) (int, error) { return n.Conn.Write(p) }

// Close gives back the connection to the daemon. Without abort, nc has ended.
func (n *netcat) Close() error { return n.Conn.Close() }

const (
	// netcatsAtOnce is how many are started at the same time.
	netcatsAtOnce = 4
	// netcatEnds is how long nc may take to end by itself, which it does when the node has heard the caller's end.
	netcatEnds = time.Second
)

// abort ends nc, and kills it if need be. The daemon would let it run for as long as the node keeps the connection.
func (n *netcat) abort() {
	n.aborted.Do(func() {
		_ = n.CloseWrite()
		err := n.Conn.SetReadDeadline(time.Now().Add(netcatEnds))
		if err == nil {
			_, err = io.Copy(io.Discard, n.Conn)
		}
		if err != nil && !errors.Is(err, net.ErrClosed) { // closed before: nc had ended
			n.kill()
		}
		_ = n.Conn.Close()
	})
}

// kill works after the caller's context has ended. That nc or its container has gone meanwhile is what was wanted.
func (n *netcat) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Hang)
	defer cancel()
	created, err := n.engine.client.ExecCreate(ctx, n.container, client.ExecCreateOptions{
		Cmd: []string{"/bin/sh", "-c", `kill "$1"`, "sh", strconv.Itoa(n.pid)},
	})
	if err == nil {
		_, _ = n.engine.client.ExecStart(ctx, created.ID, client.ExecStartOptions{Detach: true})
	}
}
