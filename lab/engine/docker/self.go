package docker

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// findSelf returns the ID of the container that this process runs in, or "" when it runs in none of this daemon's.
// The presence of /.dockerenv proves nothing (whole virtual machines have it); that the daemon knows a container by
// our host name and that our own mounts name its ID does.
func (e *Engine) findSelf(ctx context.Context) string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	c, err := e.client.ContainerInspect(ctx, host, client.ContainerInspectOptions{})
	if err != nil {
		return ""
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || !strings.Contains(string(mounts), c.Container.ID) {
		return ""
	}
	return c.Container.ID
}

// join connects the container that this process runs in with the lab's network.
func (e *Engine) join(ctx context.Context, lab string) error {
	if e.self == "" {
		return nil
	}
	_, err := e.client.NetworkConnect(ctx, networkName(lab), client.NetworkConnectOptions{Container: e.self})
	if err != nil {
		return fmt.Errorf("connect this container with the network of lab %s: %w", lab, err)
	}
	return nil
}

// leave undoes join; a network that is gone, or was never joined, is fine.
func (e *Engine) leave(ctx context.Context, lab string) error {
	if e.self == "" {
		return nil
	}
	_, err := e.client.NetworkDisconnect(ctx, networkName(lab), client.NetworkDisconnectOptions{Container: e.self, Force: true})
	if err != nil && !errdefs.IsNotFound(err) && !strings.Contains(err.Error(), "is not connected") {
		return fmt.Errorf("disconnect this container from the network of lab %s: %w", lab, err)
	}
	return nil
}
