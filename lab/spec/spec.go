// Package spec defines which lab is wanted: a Spec, as a Go struct, built with options, or read from a YAML file. The zero
// Spec is the default lab. The package knows no engine, no clock and no live lab. It reads no file but the lab's own, in
// ReadDocument.
package spec

import (
	"cmp"
	"fmt"
	"time"

	"nomadlab.internal/lab/pki"
)

// The ports on which Nomad listens by default.
const (
	HTTPPort uint16 = 4646
	RPCPort  uint16 = 4647
	SerfPort uint16 = 4648
)

// Member is a node that is started with the lab.
type Member struct {
	// Name is unique in the lab.
	Name string
	// Role is server or client.
	Role pki.Role
}

// MembersOf returns the nodes of a region of a Spec that has its defaults: the servers, then the clients. If the Spec has
// several regions, each name begins with the name of its region.
func (s Spec) MembersOf(r Region) []Member {
	prefix := ""
	if len(s.Regions) > 1 {
		prefix = r.Name + "-"
	}
	var out []Member
	for i := range max(*r.Servers, 0) {
		out = append(out, Member{fmt.Sprintf("%s%s-%d", prefix, pki.Server, i+1), pki.Server})
	}
	for i := range max(*r.Clients, 0) {
		out = append(out, Member{fmt.Sprintf("%s%s-%d", prefix, pki.Client, i+1), pki.Client})
	}
	return out
}

// Spec says which lab the user wants. The zero value is a lab of three servers and two clients in one region.
type Spec struct {
	// Name is a DNS label. Zero: "lab".
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Nomad says which Nomad to run. Zero: the default version, from any source that has it.
	Nomad Nomad `yaml:"nomad,omitempty" json:"nomad,omitzero"`
	// Subnet is the lab's network in CIDR form, or a go-sockaddr template that gives one. Zero: a free subnet.
	Subnet string `yaml:"subnet,omitempty" json:"subnet,omitempty"`
	// LogLevel is the agents' log level. Zero: INFO. Agents log refused TLS handshakes at the HTTP port only at TRACE
	// (command/agent/http_stdlog.go:17-36).
	LogLevel string `yaml:"log_level,omitempty" json:"log_level,omitempty"`
	// Authority says where certificates come from. Zero: from an authority that this program makes.
	Authority Authority `yaml:"authority,omitempty" json:"authority,omitzero"`
	// Certificates says how certificates differ from those of a default lab.
	Certificates Certificates `yaml:"certificates,omitempty" json:"certificates,omitzero"`
	// Regions are the lab's regions. Zero: one, named global.
	Regions []Region `yaml:"regions,omitempty" json:"regions,omitempty"`
	// Hardened asks for a hardened lab: ACLs on every agent, bootstrapped; no raw_exec; introduction of clients; TLS 1.2
	// at least. Zero: a default lab, without ACLs and with raw_exec.
	Hardened bool `yaml:"hardened,omitempty" json:"hardened,omitempty"`
	// NotBootstrapped leaves the ACL system of a hardened lab as it is after an installation: the first caller can
	// bootstrap it. The lab then has no token, and its clients are not introduced. Zero: Up bootstraps it.
	NotBootstrapped bool `yaml:"not_bootstrapped,omitempty" json:"not_bootstrapped,omitempty"`
	// GossipKeyBytes is the length of the gossip key: 16, 24 or 32. Zero: 32, as `nomad operator gossip keyring generate` gives.
	GossipKeyBytes int `yaml:"gossip_key_bytes,omitempty" json:"gossip_key_bytes,omitempty"`
	// Ports are other ports than Nomad's, for some agents.
	Ports []AgentPorts `yaml:"ports,omitempty" json:"ports,omitempty"`
	// OneHost gives all nodes one address, as on one host: Ports must give each its own. Zero: each node has its own address.
	OneHost bool `yaml:"one_host,omitempty" json:"one_host,omitempty"`
	// RelativePaths starts each agent in the folder of its certificates, which its configuration then names without a path, as
	// Nomad's documentation does. Zero: the configuration names them with their paths.
	RelativePaths bool `yaml:"relative_paths,omitempty" json:"relative_paths,omitempty"`
	// Overrides are lines of the agents' configuration that differ from those of the lab, applied in this order.
	Overrides []Override `yaml:"overrides,omitempty" json:"overrides,omitempty"`
	// Configuration is the user configuration, which the agents read instead of the lab's. Nil: the lab's.
	Configuration *Configuration `yaml:"-" json:"-"`
	// ExtraNodes are created with the lab, and not started until a scenario or a test starts them.
	ExtraNodes []ExtraNode `yaml:"extra_nodes,omitempty" json:"extra_nodes,omitempty"`
}

// Nomad says which Nomad to run. Set at most one of Image and Binary.
type Nomad struct {
	// Version is the wanted version. Zero: the default version.
	Version string `yaml:"version,omitempty" json:"version,omitempty"`
	// Image is the container image to use.
	Image string `yaml:"image,omitempty" json:"image,omitempty"`
	// Binary is the path of the nomad binary to use.
	Binary string `yaml:"binary,omitempty" json:"binary,omitempty"`
	// Nodes are agents that run another Nomad than the rest of the lab, as in the middle of an upgrade.
	Nodes []NodeNomad `yaml:"nodes,omitempty" json:"nodes,omitempty"`
}

// Certificates says how long certificates are valid, and how they differ from those of a default lab.
type Certificates struct {
	// TTL is how long each node's certificate is valid. Zero: seven days; with the source vault one day; as the guide for cfssl
	// has it, ten years; a folder's certificates stay as they are.
	TTL time.Duration `yaml:"ttl,omitempty" json:"ttl,omitempty"`
	// DNSNames are further names in every server's and client's certificate.
	DNSNames []string `yaml:"dns_names,omitempty" json:"dns_names,omitempty"`
	// IPs are further addresses in these certificates: IP addresses, or go-sockaddr templates such as "{{ GetPrivateIP
	// }}".
	IPs []string `yaml:"ips,omitempty" json:"ips,omitempty"`
	// Defects are certificate defects of a role's agents.
	Defects []CertificateDefect `yaml:"defects,omitempty" json:"defects,omitempty"`
	// Names are further names in the certificates of a role's agents.
	Names []ExtraNames `yaml:"names,omitempty" json:"names,omitempty"`
	// Roles give a role's agents certificates of another role or region. The role and region that an extra node sets for its
	// own certificate take precedence.
	Roles []OtherRole `yaml:"roles,omitempty" json:"roles,omitempty"`
	// TrustForeign names agents that trust a second authority, whose key is in the lab's folder, in foreign.
	TrustForeign []ForeignTrust `yaml:"trust_foreign,omitempty" json:"trust_foreign,omitempty"`
	// Chains have an intermediate authority below the lab's root issue the certificates, and say what agents trust and send along.
	// An agent that none names trusts the root and sends the intermediate. Zero: the lab's authority is a root.
	Chains []Chain `yaml:"chains,omitempty" json:"chains,omitempty"`
}

// Region is a Nomad region: servers that elect a leader among themselves, and their clients.
type Region struct {
	// Name is a DNS label. Zero: "global".
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Datacenter is a DNS label. Zero: "dc1".
	Datacenter string `yaml:"datacenter,omitempty" json:"datacenter,omitempty"`
	// Servers is how many servers the region has. Zero (nil or left out): 3.
	Servers *int `yaml:"servers,omitempty" json:"servers,omitempty"`
	// Clients is how many clients the region has. Zero (nil or left out): 2.
	Clients *int `yaml:"clients,omitempty" json:"clients,omitempty"`
}

// ExtraNode is an agent that tries to join the lab when it is started. With only Name and Role set it is like all other
// agents of its role; each further field makes it differ in one thing.
type ExtraNode struct {
	// Name is a DNS label.
	Name string `yaml:"name" json:"name"`
	// Role is server or client.
	Role pki.Role `yaml:"role" json:"role"`
	// Region is the region that it joins. Zero: the first region of the lab.
	Region string `yaml:"region,omitempty" json:"region,omitempty"`
	// CertificateRole is the role in its certificate. Zero: that of all agents of its role.
	CertificateRole pki.Role `yaml:"certificate_role,omitempty" json:"certificate_role,omitempty"`
	// CertificateRegion is the region in its certificate. Zero: the region that it joins.
	CertificateRegion string `yaml:"certificate_region,omitempty" json:"certificate_region,omitempty"`
	// CertificateDomain is the -domain of `nomad tls cert create` for its certificate. For the source nomad alone. Zero: that of all
	// agents.
	CertificateDomain string `yaml:"certificate_domain,omitempty" json:"certificate_domain,omitempty"`
	// Defect is the name of the defect of its certificate. Zero: the defect of all agents of its role, or none.
	Defect string `yaml:"defect,omitempty" json:"defect,omitempty"`
	// Gossip says which gossip key a server has. Zero: the lab's.
	Gossip GossipKey `yaml:"gossip,omitempty" json:"gossip,omitempty"`
	// Introduction says which introduction token a client of a hardened lab has. Zero: its own.
	Introduction Introduction `yaml:"introduction,omitempty" json:"introduction,omitempty"`
	// AdvertisedRPCPort is the RPC port that a server advertises to its peers, so that a proxy can listen there. Zero:
	// 4647, where the server listens. The advertised address cannot differ: peers take that of its gossip
	// (command/agent/agent.go:415).
	AdvertisedRPCPort uint16 `yaml:"advertised_rpc_port,omitempty" json:"advertised_rpc_port,omitempty"`
}

// GossipKey says which gossip key a server encrypts with.
type GossipKey string

// The gossip keys that a server of a lab can have.
const (
	LabKey   GossipKey = ""
	NoKey    GossipKey = "none"
	OtherKey GossipKey = "other"
)

// Introduction says with which introduction token a client of a hardened lab registers.
type Introduction string

// The introduction tokens that a client of a hardened lab can have.
const (
	Introduced        Introduction = ""
	NotIntroduced     Introduction = "none"
	OtherIntroduction Introduction = "other" // made for a node of another name
)

const (
	defaultName       = "lab"
	defaultLogLevel   = "INFO"
	defaultRegion     = "global"
	defaultDatacenter = "dc1"
	defaultServers    = 3
	defaultClients    = 2
	defaultGossipKey  = 32
)

// WithDefaults returns the Spec with all zero fields filled in. It does not change what the slices of s point to.
func (s Spec) WithDefaults() Spec {
	s.Name, s.LogLevel = cmp.Or(s.Name, defaultName), cmp.Or(s.LogLevel, defaultLogLevel)
	s.Authority.Source, s.GossipKeyBytes = cmp.Or(s.Authority.Source, BuiltinSource), cmp.Or(s.GossipKeyBytes, defaultGossipKey)
	if len(s.Regions) == 0 {
		s.Regions = []Region{{}}
	}
	regions := make([]Region, len(s.Regions))
	for i, r := range s.Regions {
		regions[i] = r.withDefaults()
	}
	s.Regions = regions
	extraNodes := make([]ExtraNode, len(s.ExtraNodes))
	for i, n := range s.ExtraNodes {
		extraNodes[i] = n.withDefaults(regions[0].Name, s.Certificates)
	}
	s.ExtraNodes = extraNodes
	return s
}

func (r Region) withDefaults() Region {
	r.Name, r.Datacenter = cmp.Or(r.Name, defaultRegion), cmp.Or(r.Datacenter, defaultDatacenter)
	r.Servers, r.Clients = cmp.Or(r.Servers, new(defaultServers)), cmp.Or(r.Clients, new(defaultClients))
	return r
}

func (n ExtraNode) withDefaults(region string, c Certificates) ExtraNode {
	n.Region = cmp.Or(n.Region, region)
	id := pki.Identity{Role: n.CertificateRole, Region: n.Region}
	if id.Role == "" {
		id = c.SpeaksFor(n.Role, n.Region, n.Name)
	}
	n.CertificateRole, n.CertificateRegion = id.Role, cmp.Or(n.CertificateRegion, id.Region)
	return n
}
