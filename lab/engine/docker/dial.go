package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// dialFunc connects to a port of a container's own loopback.
type dialFunc func(ctx context.Context, port uint16) (insideConn, error)

// insideConn is a connection to a port inside a container, or the caller's side of it.
type insideConn interface {
	io.ReadWriteCloser
	// CloseWrite ends the sending direction; reading goes on.
	CloseWrite() error
	// abort ends both directions at once, as a reset does. It may be called twice, and beside Read and Write.
	abort()
}

// tcpConn is a TCP connection.
type tcpConn struct{ *net.TCPConn }

func (c tcpConn) abort() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// dialer returns how connections into a container are made. Root beside the daemon enters the container's network
// namespace and connects from there, which takes a fraction of a millisecond and preserves everything that a connection
// can do. Other users run nc inside the container (see ncConn).
func (e *Engine) dialer(c container.InspectResponse) dialFunc {
	if !e.canEnter(c) {
		return func(ctx context.Context, port uint16) (insideConn, error) { return e.dialNC(ctx, c.ID, port) }
	}
	namespace := c.NetworkSettings.SandboxKey
	return func(ctx context.Context, port uint16) (insideConn, error) {
		var conn net.Conn
		err := inNetworkNamespace(namespace, func() (err error) {
			var d net.Dialer
			conn, err = d.DialContext(ctx, "tcp4", netip.AddrPortFrom(loopback(), port).String())
			return err
		})
		if err != nil {
			return nil, err
		}
		return tcpConn{conn.(*net.TCPConn)}, nil //nolint:errcheck // a connection over tcp4 is one
	}
}

// canEnter reports whether this process can enter the container's network namespace. It tries: the namespace's file has
// a random name, so a daemon on another machine or in another mount namespace has no such file here.
func (e *Engine) canEnter(c container.InspectResponse) bool {
	if e.ncOnly || c.NetworkSettings == nil || c.NetworkSettings.SandboxKey == "" {
		return false
	}
	return inNetworkNamespace(c.NetworkSettings.SandboxKey, func() error { return nil }) == nil
}

// checkDialer returns why connections into a container cannot be made: its image has no shell or no nc. It returns nil
// for a container that has ended meanwhile.
func (e *Engine) checkDialer(ctx context.Context, c container.InspectResponse) error {
	if e.canEnter(c) {
		return nil
	}
	var output bytes.Buffer
	r := engine.Ref{Lab: c.Config.Labels[labelLab], Node: c.Config.Labels[labelNode]}
	code, err := e.Exec(ctx, r, engine.Command{
		Args: []string{"/bin/sh", "-c", "command -v nc"}, Streams: engine.Streams{Stdout: &output, Stderr: &output},
	})
	if err == nil && code == 0 {
		return nil
	}
	now, inspectErr := e.client.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
	if inspectErr == nil && !now.Container.State.Running {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("`command -v nc` ended with code %d: %s", code, strings.TrimSpace(output.String()))
	}
	return errors.Join(fmt.Errorf("its ports %v are on its own loopback, where it takes /bin/sh and nc in image %s to reach them, "+
		"or that this program runs as root beside the Docker daemon: %w", insidePorts(c.Config.Labels), c.Config.Image, err), inspectErr)
}
