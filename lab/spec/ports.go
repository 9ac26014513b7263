package spec

import (
	"cmp"
	"fmt"

	"nomadlab.internal/lab/pki"
)

// AgentPorts are the ports of the agents of a role. A port that is zero is Nomad's.
type AgentPorts struct {
	// Role is server or client. Zero: both.
	Role pki.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Node is the name of the only agent. Zero: all agents of the Role.
	Node string `yaml:"node,omitempty" json:"node,omitempty"`
	// HTTP is the port of the HTTP API. Zero: 4646.
	HTTP uint16 `yaml:"http,omitempty" json:"http,omitempty"`
	// RPC is a server's port for RPC and Raft. Zero: 4647.
	RPC uint16 `yaml:"rpc,omitempty" json:"rpc,omitempty"`
	// Serf is a server's port for gossip. Zero: 4648.
	Serf uint16 `yaml:"serf,omitempty" json:"serf,omitempty"`
}

// ConcernsNode reports whether the ports are those of a node.
func (p AgentPorts) ConcernsNode(role pki.Role, node string) bool {
	return matches(p.Role, role) && matches(p.Node, node)
}

// ports checks other ports than Nomad's.
func (v *validator) ports(s Spec) {
	if len(s.Ports) > 0 && s.Configuration != nil {
		v.add("ports", "set beside a user configuration", "leave them out: the configuration says where its agents listen")
	}
	roles := s.roles()
	for i, p := range s.Ports {
		at := fmt.Sprintf("ports[%d].", i)
		v.agents(at+"role", p.Role, true)
		v.node(at+"node", p.Node, p.Role, roles)
		if p.Role == pki.Client && p.RPC+p.Serf != 0 {
			v.add(at+"rpc", fmt.Sprint(max(p.RPC, p.Serf)), "leave rpc and serf out: a client listens at its HTTP port alone")
		}
		http, rpc, serf := cmp.Or(p.HTTP, HTTPPort), cmp.Or(p.RPC, RPCPort), cmp.Or(p.Serf, SerfPort)
		if p.Role != pki.Client && (http == rpc || http == serf || rpc == serf) && (p.Node == "" || roles[p.Node] != pki.Client) {
			v.add(at+"http", "the same port twice", "give each port of an agent its own number")
		}
	}
}
