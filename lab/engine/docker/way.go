package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// way is how connections are made inside a container. A process that may enter the container's network does so and connects
// from there, in a fraction of a millisecond, and passes on whatever a connection can do. For that it must be root beside
// the daemon. All others have nc connect, by a command inside the container (see netcat).
func (e *Engine) way(c container.InspectResponse) way {
	if !e.mayEnter(c) {
		return func(ctx context.Context, port uint16) (end, error) { return e.netcat(ctx, c.ID, port) }
	}
	network := c.NetworkSettings.SandboxKey
	return func(ctx context.Context, port uint16) (end, error) {
		var conn net.Conn
		err := within(network, func() (err error) {
			var d net.Dialer
			conn, err = d.DialContext(ctx, "tcp4", netip.AddrPortFrom(loopback(), port).String())
			return err
		})
		if err != nil {
			return nil, err
		}
		return tcp{conn.(*net.TCPConn)}, nil //nolint:errcheck // a connection over tcp4 is one
	}
}

// mayEnter tries. The file is the daemon's name for the container's network, made of a random number: where it is not to be
// seen, the daemon is in another place than this process.
func (e *Engine) mayEnter(c container.InspectResponse) bool {
	if e.byCommand || c.NetworkSettings == nil || c.NetworkSettings.SandboxKey == "" {
		return false
	}
	return within(c.NetworkSettings.SandboxKey, func() error { return nil }) == nil
}

// demandWay returns why connections cannot be made inside a container: its image has no shell or no nc. That a container has
// ended meanwhile is no reason.
func (e *Engine) demandWay(ctx context.Context, c container.InspectResponse) error {
	if e.mayEnter(c) {
		return nil
	}
	var said bytes.Buffer
	r := engine.Ref{Lab: c.Config.Labels[labelLab], Node: c.Config.Labels[labelNode]}
	code, err := e.Exec(ctx, r, engine.Command{
		Args: []string{"/bin/sh", "-c", "command -v nc"}, Streams: engine.Streams{Stdout: &said, Stderr: &said},
	})
	if err == nil && code == 0 {
		return nil
	}
	now, inspectErr := e.client.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
	if inspectErr == nil && !now.Container.State.Running {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("`command -v nc` ended with code %d: %s", code, strings.TrimSpace(said.String()))
	}
	return errors.Join(fmt.Errorf("its ports %v are on its own loopback, where it takes /bin/sh and nc in image %s to reach them, "+
		"or that this program runs as root beside the Docker daemon: %w", insidePorts(c.Config.Labels), c.Config.Image, err), inspectErr)
}
