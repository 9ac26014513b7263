package docker

import (
	"context"
	"fmt"
	"os"
	"regexp"

	"github.com/moby/moby/client"
)

// ownFile finds, in mountinfo(5), one of the files that Docker mounts into every container out of a folder that is named
// by the container's ID: the source is the fourth field, the mount point the fifth.
var ownFile = regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S*/containers/([0-9a-f]{64})/\S+ /etc/(?:hostname|hosts|resolv\.conf) `)

// findSelf returns the ID of the container that this process runs in, or "" when it runs in none of this daemon's.
// The presence of /.dockerenv proves nothing (whole virtual machines have it), and a container need not have its ID for
// a host name; that our own mounts name an ID and that the daemon knows it does.
func (e *Engine) findSelf(ctx context.Context) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	named := ownFile.FindSubmatch(mounts)
	if named == nil {
		return ""
	}
	c, err := e.client.ContainerInspect(ctx, string(named[1]), client.ContainerInspectOptions{})
	if err != nil {
		return ""
	}
	return c.Container.ID
}

// join connects the container that this process runs in with the lab's network. The removal of the network disconnects
// it again.
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
