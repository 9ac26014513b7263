package lab

import (
	"fmt"
	"net/netip"

	"nomadlab.internal/lab/agentconf"
)

// address gives every node its address, in the order of the plan.
func (p *Plan) address(g Ground) error {
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

// ownAddress is the go-sockaddr template of the link-local address of a container: the one that it has after every start.
const ownAddress = `{{ GetAllInterfaces | include "network" "169.254.0.0/16" | attr "address" }}`

func (n *PlannedNode) advertise() string {
	if n.Address.IsValid() {
		return n.Address.String()
	}
	return ownAddress
}

// editAdvertised changes where the node's peers are told to connect to, if that is not where it listens.
func (n *PlannedNode) editAdvertised(config []byte) ([]byte, error) {
	if n.AdvertisedRPCPort == 0 {
		return config, nil
	}
	return agentconf.Edit(config, "advertise.rpc", fmt.Sprintf("%q", n.advertise()+fmt.Sprintf(":%d", n.AdvertisedRPCPort)))
}

// peer is how others write down a port of the node.
func (n *PlannedNode) peer(port uint16) string {
	if n.Address.IsValid() {
		return netip.AddrPortFrom(n.Address, port).String()
	}
	return fmt.Sprintf("%s:%d", n.Name, port)
}
