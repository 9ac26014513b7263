package plan

import (
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/hashicorp/go-sockaddr"

	"nomadlab.internal/lab/spec"
)

// address gives every node its address, in the order of the plan.
func (p *Plan) address(g HostEnvironment) error {
	if g.Named {
		return nil
	}
	for i := range p.Nodes {
		address, err := nodeAddress(p.Subnet, i)
		if err != nil {
			return err
		}
		p.Nodes[i].Address = address
	}
	return nil
}

// ErrNoSubnet is returned when every candidate is in use. It is an ErrInvalid: the user can name another.
const ErrNoSubnet = spec.InputError("no free subnet")

// ErrSubnetInUse is returned for a subnet that the user named and that the host already uses. It is an ErrInvalid.
const ErrSubnetInUse = spec.InputError("the subnet is in use")

// chooseSubnet returns the wanted subnet if it is free, or a free one large enough for so many nodes. Labs with
// different names begin their search at different places, so that labs which start at the same time seldom collide.
func chooseSubnet(wanted, name string, nodes int, g HostEnvironment) (netip.Prefix, error) {
	if g.Named && wanted != "" {
		return netip.Prefix{}, &spec.InvalidError{Problems: []spec.Problem{{
			Field: "subnet", Found: fmt.Sprintf("%q", wanted), Mend: "leave it out: nodes that know each other by name get their network when they start",
		}}}
	}
	if g.Named {
		return netip.Prefix{}, nil
	}
	if wanted != "" {
		return wantedSubnet(wanted, nodes, g)
	}
	bits := subnetBits(nodes)
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	for _, pool := range g.Pools {
		base, err := sockaddr.NewIPv4Addr(pool.String())
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("pool %s: %w", pool, err)
		}
		count := uint32(1) << (bits - base.Maskbits())
		for i := range count {
			at := (h.Sum32() + i) % count
			p := netip.PrefixFrom(addressAt(base, at<<(32-bits)), bits)
			if overlapping(p, g.Occupied) == nil {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("%w of %d bits in %v: name one with --subnet, or remove networks that nobody uses "+
		"(`nomadlab list`, `docker network prune`)", ErrNoSubnet, bits, g.Pools)
}

func wantedSubnet(wanted string, nodes int, g HostEnvironment) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(wanted)
	if err != nil || !p.Addr().Is4() || p.Bits() > subnetBits(nodes) {
		return netip.Prefix{}, &spec.InvalidError{Problems: []spec.Problem{{
			Field: "subnet", Found: fmt.Sprintf("%q", wanted),
			Mend: fmt.Sprintf("use an IPv4 network of at most /%d for %d nodes, such as 172.30.7.0/%d", subnetBits(nodes), nodes, subnetBits(nodes)),
		}}}
	}
	p = p.Masked()
	if loopback().Contains(p.Addr()) == g.contained() {
		return netip.Prefix{}, elsewhere(p, g)
	}
	if other := overlapping(p, g.Occupied); other != nil {
		return netip.Prefix{}, fmt.Errorf("%w: %s overlaps %s, which this host already uses: name another, or leave it out and a free one is found",
			ErrSubnetInUse, p, other)
	}
	return p, nil
}

func loopback() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8) }

// elsewhere says where the subnet must be: containers cannot have loopback addresses, and agents on this machine have
// no others that are theirs.
func elsewhere(p netip.Prefix, g HostEnvironment) error {
	mend := "that is loopback, which containers cannot share: use a network such as 172.30.7.0/24"
	if !g.contained() {
		mend = "that is not loopback, where agents without containers live: use a network such as 127.64.7.0/24"
	}
	return &spec.InvalidError{Problems: []spec.Problem{{Field: "subnet", Found: fmt.Sprintf("%q", p), Mend: mend}}}
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

// firstNode leaves the gateway and a few addresses free, and makes the last number of an address easy to tell.
const firstNode = 11

// subnetBits is the prefix length whose lower half has room for so many nodes; Docker hands out the upper half.
func subnetBits(nodes int) int {
	bits := 24
	for (1<<(31-bits))-firstNode-1 < nodes {
		bits--
	}
	return bits
}

// nodeAddress is the address of the i-th node.
func nodeAddress(subnet netip.Prefix, i int) (netip.Addr, error) {
	base, err := sockaddr.NewIPv4Addr(subnet.String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("addresses in %s: %w", subnet, err)
	}
	return addressAt(base, uint32(firstNode+i)), nil
}

// addressAt is the address so far behind the network's first.
func addressAt(network sockaddr.IPv4Addr, offset uint32) netip.Addr {
	n := uint32(network.NetworkAddress()) + offset
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
