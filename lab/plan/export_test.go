package plan

import "net/netip"

// ChooseSubnet is New's choice.
func ChooseSubnet(wanted, name string, nodes int, occupied []netip.Prefix) (netip.Prefix, error) {
	return chooseSubnet(wanted, name, nodes, Containers(occupied...))
}

// NodeAddress is the address of the i-th node.
func NodeAddress(subnet netip.Prefix, i int) (netip.Addr, error) { return nodeAddress(subnet, i) }

// Containers is the ground of a lab whose nodes are contained.
func Containers(occupied ...netip.Prefix) HostEnvironment {
	return HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16"), netip.MustParsePrefix("10.230.0.0/16")}, Occupied: occupied}
}

// Processes is the ground of a lab whose nodes share this machine's files and loopback.
func Processes(occupied ...netip.Prefix) HostEnvironment {
	return HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")}, Occupied: occupied, Folder: "/tmp/nomadlab-1000/RUN"}
}
