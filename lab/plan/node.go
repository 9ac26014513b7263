package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// ownAddress is the go-sockaddr template of the link-local address of a container: the one that it has after every start.
const ownAddress = `{{ GetAllInterfaces | include "network" "169.254.0.0/16" | attr "address" }}`

func (n *Node) advertise() string {
	if n.Address.IsValid() {
		return n.Address.String()
	}
	return ownAddress
}

// editAdvertised changes where the node's peers are told to connect to, if that is not where it listens.
func (n *Node) editAdvertised(config []byte) ([]byte, error) {
	if n.AdvertisedRPCPort == 0 {
		return config, nil
	}
	return agentconf.Edit(config, "advertise.rpc", fmt.Sprintf("%q", n.advertise()+fmt.Sprintf(":%d", n.AdvertisedRPCPort)))
}

// Peer returns a port of the node as others write it down: ADDRESS:PORT, or NAME:PORT on Ground that is Named.
func (n *Node) Peer(port uint16) string {
	if n.Address.IsValid() {
		return netip.AddrPortFrom(n.Address, port).String()
	}
	return fmt.Sprintf("%s:%d", n.Name, port)
}

// InUsersWords returns a line of the agent's log with the names by which the user knows the files.
func (n Node) InUsersWords(line string) string {
	for _, f := range n.Files {
		if f.Origin != "" {
			line = strings.ReplaceAll(line, f.Path, f.Origin)
		}
	}
	return line
}

// Node is one agent as it will be.
type Node struct {
	Name       string   `json:"name"`
	Role       pki.Role `json:"role"`
	Region     string   `json:"region"`
	Datacenter string   `json:"datacenter"`
	// NodePool is the one that a client registers in. Empty: default.
	NodePool string `json:"node_pool,omitempty"`
	// Extra node is true for an agent that stays outside until it is started.
	ExtraNode bool `json:"extra_node,omitempty"`
	// Address is the node's on the lab's network. Invalid on Ground that is Named.
	Address netip.Addr `json:"address"`
	// Aliases are the node's names on the lab's network.
	Aliases []string `json:"aliases"`
	// Identity is who its certificate speaks for.
	Identity pki.Identity `json:"identity"`
	// Defect is what is wrong with its certificate, by the name of one of pki.Flaws. Empty: nothing.
	Defect string `json:"defect,omitempty"`
	// HandedIn is true for an agent whose certificate is a user's own.
	HandedIn bool `json:"handed_in,omitempty"`
	// ServerName is a name in its certificate for those who connect to it. Empty: that of its Identity.
	ServerName string `json:"server_name,omitempty"`
	// RSA is true for an agent whose cipher suites take an RSA key.
	RSA bool `json:"rsa,omitempty"`
	// TrustsForeign is true for an agent that also trusts an authority that is not the lab's.
	TrustsForeign bool `json:"trusts_foreign,omitempty"`
	// Gossip is which gossip key a server has.
	Gossip spec.GossipKey `json:"gossip,omitempty"`
	// Introduction is which introduction token a client of a hardened lab has.
	Introduction spec.Introduction `json:"introduction,omitempty"`
	// AdvertisedRPCPort is where a server tells its peers to connect to it. Zero: where it listens.
	AdvertisedRPCPort uint16 `json:"advertised_rpc_port,omitempty"`
	// User is the numeric user and group that the agent runs as. Zero: the engine has a user for it.
	User int `json:"user,omitempty"`
	// Ports are reached from this machine: of a contained node, each through a free port of 127.0.0.1.
	Ports []uint16 `json:"ports"`
	// Inside are those of them that the agent listens on at the node's own loopback alone.
	Inside []uint16 `json:"inside,omitempty"`
	// HTTPInClear is true for an agent whose HTTP port has no TLS.
	HTTPInClear bool `json:"http_in_clear,omitempty"`
	// Replaced are the lines of a user's configuration that the agent does not read as they stand.
	Replaced []fit.Replaced `json:"replaced,omitempty"`
	Command  []string       `json:"command"`
	// Environment holds NAME=value entries.
	Environment []string `json:"environment"`
	Files       []File   `json:"files"`
}

// AgentUser is the numeric user and group as which agents run. An agent needs no privilege for raw_exec, and a client that runs as root without
// privileges does not start at all: it cannot make its cgroup (nomad#23476).
const AgentUser = 1000

// port is the one at that place among the node's, or Nomad's own where it has none.
func (n Node) port(place int, usual uint16) uint16 {
	if place < len(n.Ports) {
		return n.Ports[place]
	}
	return usual
}

// HTTPPort returns the port at which the agent serves its HTTP API.
func (n Node) HTTPPort() uint16 { return n.port(0, spec.HTTPPort) }

// RPCPort returns the port at which a server serves RPC.
func (n Node) RPCPort() uint16 { return n.port(1, spec.RPCPort) }

// SerfPort returns the port at which a server gossips.
func (n Node) SerfPort() uint16 { return n.port(2, spec.SerfPort) }

// UsualPorts returns the ports of an agent of that role that others than the lab's nodes have business with, where no
// configuration names another.
func (n *Node) UsualPorts() []uint16 {
	if n.Role == pki.Server {
		return []uint16{spec.HTTPPort, spec.RPCPort, spec.SerfPort}
	}
	return []uint16{spec.HTTPPort}
}

// identify puts the names and addresses into the node's certificate that its peers and users call it by.
func (n *Node) identify(c spec.Certificates) error {
	n.Defect, n.TrustsForeign = cmp.Or(n.Defect, c.DefectOf(n.Role, n.Name)), c.TrustsForeign(n.Role, n.Name)
	n.Identity.DNSNames = slices.Concat(n.Aliases, c.DNSNames, c.NamesOf(n.Role, n.Name))
	if n.Address.IsValid() {
		n.Identity.IPs = []netip.Addr{n.Address}
	}
	for i, text := range c.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return &spec.InvalidError{Problems: []spec.Problem{{
				Field: fmt.Sprintf("certificates.ips[%d]", i), Found: fmt.Sprintf("%q", text),
				Mend: "use an IP address, or a go-sockaddr template that gives one",
			}}}
		}
		n.Identity.IPs = append(n.Identity.IPs, ip)
	}
	return nil
}

// touches reports whether the node's certificate is to be another than it would be.
func touches(c spec.Certificates, n Node) bool {
	return n.Defect != "" || n.Identity.Role != n.Role || n.Identity.Region != n.Region || len(c.NamesOf(n.Role, n.Name)) > 0
}

// HTTPScheme returns "https", or "http" where the agent serves HTTP in the clear.
func (n Node) HTTPScheme() string {
	if n.HTTPInClear {
		return "http"
	}
	return "https"
}

// HasCertificate reports whether the node has one: an agent in the clear need not.
func (n Node) HasCertificate() bool {
	return slices.ContainsFunc(n.Files, func(f File) bool { return f.Secret == Certificate })
}
