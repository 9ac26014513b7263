// Package spec says which lab is wanted: a Spec, as a Go struct, by options, or from a YAML file. Its zero value is a
// sensible lab. It is pure: it knows no engine, no clock and nothing that is live, and reads only the file that its user names.
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

// Member is a node that belongs to the lab from its start.
type Member struct {
	// Name is unique in the lab.
	Name string
	// Role is server or client.
	Role pki.Role
}

// MembersOf returns the nodes of one of the regions of a Spec that has its defaults: the servers, then the clients. With several
// regions each name begins with its region.
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

// Spec is what the user wants. The zero value is a lab of three servers and two clients in one region.
type Spec struct {
	// Name is a DNS label. Zero: "lab".
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Nomad says which Nomad to run. Zero: the default version, from wherever it can be had.
	Nomad Nomad `yaml:"nomad,omitempty" json:"nomad,omitzero"`
	// Subnet is the lab's network in CIDR form, or a go-sockaddr template that gives one. Zero: a free one is found.
	Subnet string `yaml:"subnet,omitempty" json:"subnet,omitempty"`
	// LogLevel is the agents' log level. Zero: INFO. Refused TLS handshakes on the HTTP port are logged at TRACE alone
	// (command/agent/http_stdlog.go:17-36).
	LogLevel string `yaml:"log_level,omitempty" json:"log_level,omitempty"`
	// Certificates says how long certificates last and what else they name.
	Certificates Certificates `yaml:"certificates,omitempty" json:"certificates,omitzero"`
	// Regions are the lab's regions. Zero: one, named global.
	Regions []Region `yaml:"regions,omitempty" json:"regions,omitempty"`
	// Hardened asks for a lab as a careful operator would have it: ACLs on every agent and bootstrapped, no raw_exec,
	// clients that must be introduced, TLS 1.2 at least. Zero: a lab to learn on, without ACLs and with raw_exec.
	Hardened bool `yaml:"hardened,omitempty" json:"hardened,omitempty"`
	// NotBootstrapped leaves the ACL system of a hardened lab to whoever comes first, as it is in a cluster that was just
	// installed. There is no token then, and nobody introduces clients. Zero: Up bootstraps it.
	NotBootstrapped bool `yaml:"not_bootstrapped,omitempty" json:"not_bootstrapped,omitempty"`
	// Settings are lines of the agents' configuration that are not as a lab has them, changed in this order. A lab with
	// settings counts as weakened, but for those of task drivers.
	Overrides []Override `yaml:"overrides,omitempty" json:"overrides,omitempty"`
	// Configuration is a user's own, which the agents read in the place of the lab's. Nil: the lab's.
	Configuration *Configuration `yaml:"-" json:"-"`
	// Extra nodes are agents that are created with the lab but not started: each stays outside until Node.Start.
	ExtraNodes []ExtraNode `yaml:"extra_nodes,omitempty" json:"extra_nodes,omitempty"`
}

// Nomad says which Nomad to run. Image and Binary exclude each other.
type Nomad struct {
	// Version is the wanted version. Zero: image.DefaultVersion.
	Version string `yaml:"version,omitempty" json:"version,omitempty"`
	// Image is a container image to use as it is.
	Image string `yaml:"image,omitempty" json:"image,omitempty"`
	// Binary is the path of a nomad binary to use.
	Binary string `yaml:"binary,omitempty" json:"binary,omitempty"`
}

// Certificates says how long certificates last and what they name beyond what Nomad needs.
type Certificates struct {
	// TTL is how long each node's certificate is valid. Zero: package pki's default.
	TTL time.Duration `yaml:"ttl,omitempty" json:"ttl,omitempty"`
	// DNSNames are put into every server's and client's certificate.
	DNSNames []string `yaml:"dns_names,omitempty" json:"dns_names,omitempty"`
	// IPs likewise; each is an address or a go-sockaddr template such as "{{ GetPrivateIP }}".
	IPs []string `yaml:"ips,omitempty" json:"ips,omitempty"`
	// Defects put one thing wrong with the certificates of a role's agents.
	Defects []CertificateDefect `yaml:"defects,omitempty" json:"defects,omitempty"`
	// Names are further names in the certificates of a role's agents.
	Names []ExtraNames `yaml:"names,omitempty" json:"names,omitempty"`
	// Roles give a role's agents certificates of another role, or of another region. A Extra node's own CertificateRole and
	// CertificateRegion win.
	Roles []OtherRole `yaml:"roles,omitempty" json:"roles,omitempty"`
	// TrustForeign are the agents that also trust an authority that is not the lab's: Lab.ForeignAuthority.
	TrustForeign []ForeignTrust `yaml:"trust_foreign,omitempty" json:"trust_foreign,omitempty"`
}

// Region is a Nomad region: servers that elect a leader among themselves, and their clients.
type Region struct {
	// Name is a DNS label. Zero: "global".
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Datacenter is a DNS label. Zero: "dc1".
	Datacenter string `yaml:"datacenter,omitempty" json:"datacenter,omitempty"`
	// Servers is how many servers the region has; nil means 3.
	Servers *int `yaml:"servers,omitempty" json:"servers,omitempty"`
	// Clients is how many clients the region has; nil means 2.
	Clients *int `yaml:"clients,omitempty" json:"clients,omitempty"`
}

// Extra node is an agent that tries to join the lab when it is started. Its zero value, but for Name and Role, is an agent
// like all others of its role; each further field puts one thing wrong.
type ExtraNode struct {
	// Name is a DNS label.
	Name string `yaml:"name" json:"name"`
	// Role is server or client.
	Role pki.Role `yaml:"role" json:"role"`
	// Region is the region that it joins. Zero: the lab's first.
	Region string `yaml:"region,omitempty" json:"region,omitempty"`
	// CertificateRole is the role that its certificate speaks for. Zero: that of all agents of its Role.
	CertificateRole pki.Role `yaml:"certificate_role,omitempty" json:"certificate_role,omitempty"`
	// CertificateRegion is the region that its certificate speaks for. Zero: Region.
	CertificateRegion string `yaml:"certificate_region,omitempty" json:"certificate_region,omitempty"`
	// Defect is the name of one of pki.Flaws, for what is wrong with its certificate. Zero: what is wrong with all of its Role.
	Defect string `yaml:"defect,omitempty" json:"defect,omitempty"`
	// Gossip says which gossip key a server has. Zero: the lab's.
	Gossip GossipKey `yaml:"gossip,omitempty" json:"gossip,omitempty"`
	// Introduction says which introduction token a client of a hardened lab has. Zero: one of its own.
	Introduction Introduction `yaml:"introduction,omitempty" json:"introduction,omitempty"`
	// AdvertisedRPCPort is the port of its own address at which a server tells its peers to connect to it, for somebody in
	// between to listen there. Zero: RPCPort, where it listens itself. The address cannot differ: to its peers a server
	// advertises that of its gossip (command/agent/agent.go:415).
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

// Introduction says which introduction token a client of a hardened lab registers with.
type Introduction string

// The introduction tokens that such a client can have.
const (
	Introduced        Introduction = ""
	NotIntroduced     Introduction = "none"
	OtherIntroduction Introduction = "other" // one that was made for a node of another name
)

const (
	defaultName       = "lab"
	defaultLogLevel   = "INFO"
	defaultRegion     = "global"
	defaultDatacenter = "dc1"
	defaultServers    = 3
	defaultClients    = 2
)

// WithDefaults returns the Spec with what the user left out. It does not change what the user's slices point to.
func (s Spec) WithDefaults() Spec {
	if s.Name == "" {
		s.Name = defaultName
	}
	if s.LogLevel == "" {
		s.LogLevel = defaultLogLevel
	}
	if len(s.Regions) == 0 {
		s.Regions = []Region{{}}
	}
	regions := make([]Region, len(s.Regions))
	for i, r := range s.Regions {
		regions[i] = r.withDefaults()
	}
	s.Regions = regions
	extraNodes := make([]ExtraNode, len(s.ExtraNodes))
	for i, j := range s.ExtraNodes {
		extraNodes[i] = j.withDefaults(regions[0].Name, s.Certificates)
	}
	s.ExtraNodes = extraNodes
	return s
}

func (r Region) withDefaults() Region {
	if r.Name == "" {
		r.Name = defaultRegion
	}
	if r.Datacenter == "" {
		r.Datacenter = defaultDatacenter
	}
	if r.Servers == nil {
		r.Servers = new(defaultServers)
	}
	if r.Clients == nil {
		r.Clients = new(defaultClients)
	}
	return r
}

func (j ExtraNode) withDefaults(region string, c Certificates) ExtraNode {
	if j.Region == "" {
		j.Region = region
	}
	given := pki.Identity{Role: j.CertificateRole, Region: j.Region}
	if given.Role == "" {
		given = c.SpeaksFor(j.Role, j.Region, j.Name)
	}
	j.CertificateRole, j.CertificateRegion = given.Role, cmp.Or(j.CertificateRegion, given.Region)
	return j
}
