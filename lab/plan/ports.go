package plan

import (
	"cmp"
	"fmt"
	"net/netip"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/spec"
)

// listen fills in the ports of a node: Nomad's, or those that the Spec says. With a user configuration they are replaced later
// by those of that configuration.
func (n *Node) listen(others []spec.AgentPorts) {
	n.Ports = n.UsualPorts()
	for _, o := range others {
		if !o.ConcernsNode(n.Role, n.Name) {
			continue
		}
		for i, port := range []uint16{o.HTTP, o.RPC, o.Serf}[:len(n.Ports)] {
			n.Ports[i] = cmp.Or(port, n.Ports[i])
		}
	}
}

// editPorts sets the ports that are not Nomad's.
func (n *Node) editPorts(config []byte) ([]byte, error) {
	for i, usual := range n.UsualPorts() {
		if n.Ports[i] == usual {
			continue
		}
		edited, err := agentconf.Edit(config, "ports."+portNames()[i], fmt.Sprint(n.Ports[i]))
		if err != nil {
			return nil, fmt.Errorf("ports of %s: %w", n.Name, err)
		}
		config = edited
	}
	return config, nil
}

// checkPorts refuses nodes that share an address, where the engine gives each its own or two of them would listen at one port.
func (p *Plan) checkPorts(oneHost bool, host HostEnvironment) error {
	if !oneHost {
		return nil
	}
	if host.contained() {
		return invalid("one_host", "true, for containers", "leave it out, or use --engine process: each container has an address of its own")
	}
	taken := map[netip.AddrPort]string{}
	for _, n := range p.Nodes {
		for i, port := range n.Ports {
			at := netip.AddrPortFrom(n.Address, port)
			if other, is := taken[at]; is {
				return invalid("one_host", fmt.Sprintf("%s and %s both listen at port %d", other, n.Name, port),
					fmt.Sprintf("give one another port: ports: [{node: %s, %s: %d}]", n.Name, portNames()[i], port+1010))
			}
			taken[at] = n.Name
		}
	}
	return nil
}

// portNames returns the names of an agent's ports in its configuration, in the order of Node.Ports.
func portNames() []string { return []string{"http", "rpc", "serf"} }
