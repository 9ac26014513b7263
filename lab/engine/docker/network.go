package docker

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// Occupied returns the subnets of the daemon's networks.
func (e *Engine) Occupied(ctx context.Context) ([]netip.Prefix, error) {
	networks, err := e.client.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list Docker networks: %w", err)
	}
	var taken []netip.Prefix
	for _, n := range networks.Items {
		for _, c := range n.IPAM.Config {
			if c.Subnet.IsValid() {
				taken = append(taken, c.Subnet.Masked())
			}
		}
	}
	return taken, nil
}

// CreateNetwork makes the lab's bridge network. Docker hands out addresses from its upper half alone: the lower half
// is for the nodes, whose addresses stay theirs while they are stopped.
func (e *Engine) CreateNetwork(ctx context.Context, n engine.Network) error {
	_, err := e.client.NetworkCreate(ctx, networkName(n.Lab), client.NetworkCreateOptions{
		Driver: "bridge",
		Labels: labels(n.Lab, "", n.Labels),
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
			Subnet: n.Subnet, IPRange: upperHalf(n.Subnet),
		}}},
	})
	// "Pool overlaps with other one" for an equal subnet, "networks have overlapping IPv4" for any other (Docker 20.10).
	if err != nil && strings.Contains(err.Error(), "overlap") {
		return fmt.Errorf("%w: %s: %w", engine.ErrSubnetTaken, n.Subnet, err)
	}
	if err != nil {
		return fmt.Errorf("create the network of lab %s: %w", n.Lab, explain(err))
	}
	return e.join(ctx, n.Lab)
}

func upperHalf(p netip.Prefix) netip.Prefix {
	a := p.Masked().Addr().As4()
	bit := p.Bits()
	a[bit/8] |= 0x80 >> (bit % 8)
	return netip.PrefixFrom(netip.AddrFrom4(a), bit+1)
}
