package plan

import (
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/hashicorp/go-sockaddr"

	"nomadlab.internal/lab/spec"
)

// address gives every node its address, in the order of the plan.
func (p *Plan) address(host HostEnvironment, oneHost bool) error {
	if host.Named {
		return nil
	}
	for i := range p.Nodes {
		place := i
		if oneHost {
			place = 0
		}
		address, err := nodeAddress(p.Subnet, place)
		if err != nil {
			return err
		}
		p.Nodes[i].Address = address
	}
	for i := range p.Services {
		address, err := nodeAddress(p.Subnet, len(p.Nodes)+i)
		if err != nil {
			return err
		}
		p.Services[i].Address = address
	}
	return nil
}

// ErrNoSubnet is returned if every candidate is in use. It is an ErrInvalid: the user can name another subnet.
const ErrNoSubnet = spec.InputError("no free subnet")

// ErrSubnetInUse is returned if the host uses the subnet that the user named. It is an ErrInvalid.
const ErrSubnetInUse = spec.InputError("the subnet is in use")

// chooseSubnet returns the wanted subnet if it is free or, if none is wanted, a free one that is large enough for so many
// nodes. Where the search begins depends on the name of the lab, so that labs that start at the same time seldom collide.
func chooseSubnet(wanted, name string, nodes int, host HostEnvironment) (netip.Prefix, error) {
	if host.Named && wanted != "" {
		return netip.Prefix{}, invalid("subnet", fmt.Sprintf("%q", wanted), "leave it out: nodes that know each other by name get their network when they start")
	}
	if host.Named {
		return netip.Prefix{}, nil
	}
	if wanted != "" {
		return wantedSubnet(wanted, nodes, host)
	}
	bits := subnetBits(nodes)
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	for _, pool := range host.Pools {
		base, err := sockaddr.NewIPv4Addr(pool.String())
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("pool %s: %w", pool, err)
		}
		count := uint32(1) << (bits - base.Maskbits())
		for i := range count {
			at := (h.Sum32() + i) % count
			p := netip.PrefixFrom(addressAt(base, at<<(32-bits)), bits)
			if overlapping(p, host.Occupied) == nil {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("%w of %d bits in %v: name one with --subnet, or remove networks that nobody uses "+
		"(`nomadlab list`, `docker network prune`)", ErrNoSubnet, bits, host.Pools)
}

func wantedSubnet(wanted string, nodes int, host HostEnvironment) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(wanted)
	if err != nil || !p.Addr().Is4() || p.Bits() > subnetBits(nodes) {
		return netip.Prefix{}, invalid("subnet", fmt.Sprintf("%q", wanted),
			fmt.Sprintf("use an IPv4 network of at most /%d for %d nodes, such as 172.30.7.0/%d", subnetBits(nodes), nodes, subnetBits(nodes)))
	}
	p = p.Masked()
	if loopback().Contains(p.Addr()) == host.contained() {
		return netip.Prefix{}, elsewhere(p, host)
	}
	if other := overlapping(p, host.Occupied); other != nil {
		return netip.Prefix{}, fmt.Errorf("%w: %s overlaps %s, which this host already uses: name another, or leave it out and a free one is found",
			ErrSubnetInUse, p, other)
	}
	return p, nil
}

func loopback() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8) }

// elsewhere returns the error for a subnet in the wrong place: containers cannot have loopback addresses, and agents on
// this machine have no other addresses of their own.
func elsewhere(p netip.Prefix, host HostEnvironment) error {
	mend := "that is loopback, which containers cannot share: use a network such as 172.30.7.0/24"
	if !host.contained() {
		mend = "that is not loopback, where agents without containers listen: use a network such as 127.64.7.0/24"
	}
	return invalid("subnet", fmt.Sprintf("%q", p), mend)
}

// overlapping returns one of the occupied networks that shares an address with p, or nil.
func overlapping(p netip.Prefix, occupied []netip.Prefix) *netip.Prefix {
	for _, o := range occupied {
		if o.Overlaps(p) {
			return &o
		}
	}
	return nil
}

// firstNode is the offset of the first node's address. It leaves room for the gateway, and makes addresses easy to
// remember.
const firstNode = 11

// subnetBits returns the prefix length of a subnet whose lower half has room for so many nodes. Docker assigns addresses
// from the upper half.
func subnetBits(nodes int) int {
	bits := 24
	for (1<<(31-bits))-firstNode-1 < nodes {
		bits--
	}
	return bits
}

// nodeAddress returns the address of the i-th node.
func nodeAddress(subnet netip.Prefix, i int) (netip.Addr, error) {
	base, err := sockaddr.NewIPv4Addr(subnet.String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("addresses in %s: %w", subnet, err)
	}
	return addressAt(base, uint32(firstNode+i)), nil
}

// addressAt returns the address at that offset from the first of the network.
func addressAt(network sockaddr.IPv4Addr, offset uint32) netip.Addr {
	n := uint32(network.NetworkAddress()) + offset
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
