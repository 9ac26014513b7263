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

// CreateNetwork creates the lab's bridge network. Docker assigns addresses from its upper half only: the lower half is
// for the nodes, which keep their addresses while they are stopped.
func (e *Engine) CreateNetwork(ctx context.Context, n engine.Network) error {
	created, err := e.client.NetworkCreate(ctx, networkName(n.Lab), client.NetworkCreateOptions{
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
	if err := e.refuseSecond(ctx, n.Lab, created.ID); err != nil {
		return err
	}
	return e.join(ctx, n.Lab)
}

// refuseSecond removes a new network and returns engine.ErrExists if another has its name. Docker 20.10 allows that, and
// every later use of the name would be ambiguous. Of two that are created at the same time, both may be removed.
func (e *Engine) refuseSecond(ctx context.Context, lab, id string) error {
	networks, err := e.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofLab(lab)})
	if err != nil {
		return fmt.Errorf("list the networks of lab %s: %w", lab, err)
	}
	if len(networks.Items) < 2 {
		return nil
	}
	if _, err := e.client.NetworkRemove(ctx, id, client.NetworkRemoveOptions{}); err != nil {
		return fmt.Errorf("remove the second network of lab %s: %w", lab, err)
	}
	return fmt.Errorf("%w: a network of lab %s", engine.ErrExists, lab)
}

// upperHalf returns the half of the addresses that has the first host bit set.
func upperHalf(p netip.Prefix) netip.Prefix {
	a := p.Masked().Addr().As4()
	bit := p.Bits()
	a[bit/8] |= 0x80 >> (bit % 8)
	return netip.PrefixFrom(netip.AddrFrom4(a), bit+1)
}
