package inspect

import (
	"net/netip"
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// Target returns a node of a lab as a target of probes.
func Target(n *lab.Node) probe.Target {
	t := probe.Target{
		Name: n.Name(), Role: n.Role(), Region: n.Region(), Nomad: n.NomadVersion(),
		HTTP: hostPort(n.HTTP()), RPC: hostPort(n.RPC()), Gossip: hostPort(n.Gossip()),
		ServerName: n.ServerName(), Log: n.Log(), LogLevel: n.LogLevel(),
		Address: address(n.Address()), Published: address(n.Published()), From: address(n.From()),
	}
	t.Ports = map[probe.Plane]uint16{probe.PlaneHTTP: n.Port(spec.HTTPPort)}
	if n.Role() == pki.Server {
		t.Ports[probe.PlaneRPC], t.Ports[probe.PlaneRaft], t.Ports[probe.PlaneGossip] = n.Port(spec.RPCPort), n.Port(spec.RPCPort), n.Port(spec.SerfPort)
	}
	t.Caller, t.Callers = callers(n)
	if n.Role() == pki.Server {
		t.Member = n.Name() + "." + n.Region()
	}
	return t
}

// callers returns the address from which an agent sees a prober call its HTTP port, and those of the planes where it differs: an
// agent may serve one of them on its own loopback only.
func callers(n *lab.Node) (usual string, others map[probe.Plane]string) {
	usual, others = address(n.CallerAddress(n.Port(spec.HTTPPort))), map[probe.Plane]string{}
	for plane, port := range map[probe.Plane]uint16{
		probe.PlaneRPC: spec.RPCPort, probe.PlaneRaft: spec.RPCPort, probe.PlaneGossip: spec.SerfPort,
	} {
		if as := address(n.CallerAddress(n.Port(port))); as != usual {
			others[plane] = as
		}
	}
	return usual, others
}

// Targets returns the lab's agents, servers first, and of the extra nodes those that are named.
func Targets(l *lab.Lab, extra ...string) []probe.Target {
	var servers, clients []probe.Target
	for _, n := range l.Nodes() {
		switch {
		case n.Extra() && !slices.Contains(extra, n.Name()):
		case n.Role() == pki.Server:
			servers = append(servers, Target(n))
		default:
			clients = append(clients, Target(n))
		}
	}
	return append(servers, clients...)
}

// hostPort returns the address as text, and "" for the zero one: a port that the node does not have.
func hostPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// address is hostPort for an address without a port.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
