package docker

import (
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/network"
)

// caller is how this process looks to a node: through a published port, connections come from the network's gateway.
// From inside a container they come from that container, whose address is not looked up.
func (e *Engine) caller(gateway netip.Addr) netip.Addr {
	if e.self != "" {
		return netip.Addr{}
	}
	return gateway
}

// reach is where this process reaches a node's port: on the host, where it is published; from inside a container, at
// the node itself. testcontainers' own answer is not asked: it takes /.dockerenv for a proof of being inside one.
func (e *Engine) reach(address netip.Addr, port uint16, published []network.PortBinding) (netip.AddrPort, bool) {
	if e.self != "" {
		return netip.AddrPortFrom(address, port), address.IsValid()
	}
	for _, b := range published {
		if n, err := strconv.ParseUint(b.HostPort, 10, 16); err == nil && b.HostIP.Is4() {
			return netip.AddrPortFrom(b.HostIP, uint16(n)), true
		}
	}
	return netip.AddrPort{}, false
}
