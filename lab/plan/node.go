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

// ownAddress is the go-sockaddr template of a container's link-local address, which it keeps over restarts.
const ownAddress = `{{ GetAllInterfaces | include "network" "169.254.0.0/16" | attr "address" }}`

func (n *Node) advertise() string {
	if n.Address.IsValid() {
		return n.Address.String()
	}
	return ownAddress
}

// editAdvertised sets the advertised RPC port if it differs from the one at which the node listens.
func (n *Node) editAdvertised(config []byte) ([]byte, error) {
	if n.AdvertisedRPCPort == 0 {
		return config, nil
	}
	return agentconf.Edit(config, "advertise.rpc", fmt.Sprintf("%q", n.advertise()+fmt.Sprintf(":%d", n.AdvertisedRPCPort)))
}

// Peer returns the address of a port of the node in the configuration of other nodes: ADDRESS:PORT, or NAME:PORT if the
// HostEnvironment is Named.
func (n *Node) Peer(port uint16) string {
	if n.Address.IsValid() {
		return netip.AddrPortFrom(n.Address, port).String()
	}
	return fmt.Sprintf("%s:%d", n.Name, port)
}

// InUsersWords replaces paths in a line of the agent's log by the names of the files in the user configuration.
func (n Node) InUsersWords(line string) string {
	for _, f := range n.Files {
		if f.Origin != "" {
			line = strings.ReplaceAll(line, f.Path, f.Origin)
		}
	}
	return line
}

// Node is one agent of a plan.
type Node struct {
	Name       string   `json:"name"`
	Role       pki.Role `json:"role"`
	Region     string   `json:"region"`
	Datacenter string   `json:"datacenter"`
	// NodePool is the node pool of a client. Empty: default.
	NodePool string `json:"node_pool,omitempty"`
	// Nomad is the Nomad that the agent runs, if that is not the lab's. In the plan of a lab that was brought up it has the version, and
	// the image or the binary that the node was made of. Zero: it runs the lab's.
	Nomad spec.Nomad `json:"nomad,omitzero"`
	// ExtraNode is true for an agent that is created with the lab and not started.
	ExtraNode bool `json:"extra_node,omitempty"`
	// Address is the node's address on the lab's network. Invalid if the HostEnvironment is Named.
	Address netip.Addr `json:"address"`
	// Aliases are the node's names on the lab's network.
	Aliases []string `json:"aliases"`
	// Identity is the identity in its certificate.
	Identity pki.Identity `json:"identity"`
	// CertificateDomain is the domain of the role's name in its certificate. Empty: that of all agents.
	CertificateDomain string `json:"certificate_domain,omitempty"`
	// Defect is the name of the defect of its certificate; see pki.Defects. Empty: none.
	Defect string `json:"defect,omitempty"`
	// ConsulTemplate is true if the agent runs under consul-template, which gets its certificate from Vault.
	ConsulTemplate bool `json:"consul_template,omitempty"`
	// UserCertificate is true if the agent's certificate came with the user configuration.
	UserCertificate bool `json:"user_certificate,omitempty"`
	// ServerName is the name in its certificate that callers verify. Empty: the name of its Identity.
	ServerName string `json:"server_name,omitempty"`
	// RSA is true if the agent needs an RSA key, because of its cipher suites.
	RSA bool `json:"rsa,omitempty"`
	// TrustsForeign is true if the agent also trusts an authority that is not the lab's.
	TrustsForeign bool `json:"trusts_foreign,omitempty"`
	// Chain says what the agent trusts and sends along, if an intermediate authority issues the lab's certificates. Zero: none does.
	Chain spec.Chain `json:"chain,omitzero"`
	// Gossip says which gossip key a server has.
	Gossip spec.GossipKey `json:"gossip,omitempty"`
	// Introduction says which introduction token a client of a hardened lab has.
	Introduction spec.Introduction `json:"introduction,omitempty"`
	// AdvertisedRPCPort is the RPC port that a server advertises to its peers. Zero: the port where it listens.
	AdvertisedRPCPort uint16 `json:"advertised_rpc_port,omitempty"`
	// User is the numeric user and group of the agent. Zero: the engine chooses.
	User int `json:"user,omitempty"`
	// Ports are the ports that are reached from this machine; those of a contained node through free ports of 127.0.0.1.
	Ports []uint16 `json:"ports"`
	// Inside are those of Ports at which the agent listens only on the node's own loopback.
	Inside []uint16 `json:"inside,omitempty"`
	// HTTPInClear is true if the HTTP port has no TLS.
	HTTPInClear bool `json:"http_in_clear,omitempty"`
	// Replaced are the lines of the user configuration that the agent reads in a changed form.
	Replaced []fit.Replaced `json:"replaced,omitempty"`
	Command  []string       `json:"command"`
	// Folder is the working folder of the agent. Empty: the engine chooses.
	Folder string `json:"folder,omitempty"`
	// Environment holds NAME=value entries.
	Environment []string `json:"environment"`
	Files       []File   `json:"files"`
}

// AgentUser is the numeric user and group of contained agents. raw_exec needs no privilege. A client that runs as root
// without privileges does not start: it cannot make its cgroup (nomad#23476).
const AgentUser = 1000

// port returns the port at that place of Ports, or Nomad's default if there is none.
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

// UsualPorts returns Nomad's default ports of an agent of the node's role.
func (n *Node) UsualPorts() []uint16 {
	if n.Role == pki.Server {
		return []uint16{spec.HTTPPort, spec.RPCPort, spec.SerfPort}
	}
	return []uint16{spec.HTTPPort}
}

// identify fills in the identity, the defect and the trust of the node. Of the node's own names the certificate has those that the
// authority may sign; agents ask for none of them.
func (n *Node) identify(a spec.Authority, c spec.Certificates) error {
	n.Defect, n.TrustsForeign = cmp.Or(n.Defect, c.DefectOf(n.Role, n.Name)), c.TrustsForeign(n.Role, n.Name)
	n.Chain = c.ChainOf(n.Role, n.Name)
	own := slices.DeleteFunc(slices.Clone(n.Aliases), func(name string) bool { return !a.Permits(name) })
	n.Identity.DNSNames = slices.Concat(own, c.DNSNames, c.NamesOf(n.Role, n.Name))
	if n.Address.IsValid() {
		n.Identity.IPs = []netip.Addr{n.Address}
	}
	for i, text := range c.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return invalid(fmt.Sprintf("certificates.ips[%d]", i), fmt.Sprintf("%q", text), "use an IP address, or a go-sockaddr template that gives one")
		}
		n.Identity.IPs = append(n.Identity.IPs, ip)
	}
	return nil
}

// touches reports whether the node's certificate is to differ from the user's.
func touches(c spec.Certificates, n Node) bool {
	return n.Defect != "" || n.Identity.Role != n.Role || n.Identity.Region != n.Region || len(c.NamesOf(n.Role, n.Name)) > 0
}

// HTTPScheme returns "https", or "http" if the HTTP port has no TLS.
func (n Node) HTTPScheme() string {
	if n.HTTPInClear {
		return "http"
	}
	return "https"
}

// HasCertificate reports whether the node has a certificate. An agent without TLS may have none.
func (n Node) HasCertificate() bool {
	return slices.ContainsFunc(n.Files, func(f File) bool { return f.Secret == Certificate })
}
