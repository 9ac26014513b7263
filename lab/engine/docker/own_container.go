package docker

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// ownFile matches, in mountinfo(5), one of the files that Docker mounts into every container from a folder named after
// the container's ID: the source is the fourth field, the mount point the fifth.
var ownFile = regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S*/containers/([0-9a-f]{64})/\S+ /etc/(?:hostname|hosts|resolv\.conf) `)

// findOwnContainer returns the ID of the container that this process runs in, or "" if it runs in none of this daemon's.
// /.dockerenv proves nothing (whole virtual machines have it), and a container's host name need not be its ID. An ID in
// our own mounts that the daemon knows is proof.
func (e *Engine) findOwnContainer(ctx context.Context) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	match := ownFile.FindSubmatch(mounts)
	if match == nil {
		return ""
	}
	c, err := e.client.ContainerInspect(ctx, string(match[1]), client.ContainerInspectOptions{})
	if err != nil {
		return ""
	}
	return c.Container.ID
}

// join connects the container that this process runs in with the lab's network. Removing the network disconnects it.
func (e *Engine) join(ctx context.Context, lab string) error {
	if e.ownContainer == "" {
		return nil
	}
	_, err := e.client.NetworkConnect(ctx, networkName(lab), client.NetworkConnectOptions{Container: e.ownContainer})
	if err != nil {
		return fmt.Errorf("connect this container with the network of lab %s: %w", lab, err)
	}
	return nil
}

// callerAddress returns the address that this process has for a node: connections through a published port come from the
// network's gateway. It is invalid if this process runs in a container, whose address is not looked up.
func (e *Engine) callerAddress(gateway netip.Addr) netip.Addr {
	if e.ownContainer != "" {
		return netip.Addr{}
	}
	return gateway
}

// endpoint returns where this process reaches a node's port: on the host, the published port; from inside a container,
// the node itself. testcontainers' own answer is not used, because it takes /.dockerenv as proof of running inside one.
func (e *Engine) endpoint(node netip.Addr, port uint16, published []network.PortBinding) (netip.AddrPort, bool) {
	if e.ownContainer != "" {
		return netip.AddrPortFrom(node, port), node.IsValid()
	}
	for _, b := range published {
		if n, err := strconv.ParseUint(b.HostPort, 10, 16); err == nil && b.HostIP.Is4() {
			return netip.AddrPortFrom(b.HostIP, uint16(n)), true
		}
	}
	return netip.AddrPort{}, false
}
