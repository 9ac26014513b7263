package inspect

import (
	"net/netip"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// Target is a node of a lab as a probe sees it.
func Target(n *lab.Node) probe.Target {
	t := probe.Target{
		Name: n.Name(), Role: n.Role(), Region: n.Region(),
		HTTP: hostPort(n.HTTP()), RPC: hostPort(n.RPC()), Gossip: hostPort(n.Gossip()),
		ServerName: n.ServerName(), Log: n.Log(), LogLevel: n.LogLevel(),
		Address: address(n.Address()), Caller: address(n.Caller()), From: address(n.From()),
	}
	if n.Role() == pki.Server {
		t.Member = n.Name() + "." + n.Region()
	}
	return t
}

// Targets are the agents that belong to the lab and run: servers first, joiners left out.
func Targets(l *lab.Lab) []probe.Target {
	var all []probe.Target
	for _, n := range append(l.Servers(), l.Clients()...) {
		all = append(all, Target(n))
	}
	return all
}

// hostPort is empty for a port that the node does not have, where AddrPort would say "invalid AddrPort".
func hostPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// address likewise.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
