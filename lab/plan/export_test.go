package plan

import "net/netip"

// ChooseSubnet returns the subnet that New chooses.
func ChooseSubnet(wanted, name string, nodes int, host HostEnvironment) (netip.Prefix, error) {
	return chooseSubnet(wanted, name, nodes, host)
}

// NodeAddress is the address of the i-th node.
func NodeAddress(subnet netip.Prefix, i int) (netip.Addr, error) { return nodeAddress(subnet, i) }

// Processes returns the environment of a lab whose nodes share this machine's files and loopback.
func Processes(occupied ...netip.Prefix) HostEnvironment {
	return HostEnvironment{Pools: []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")}, Occupied: occupied, Folder: "/tmp/nomadlab-1000/RUN"}
}
