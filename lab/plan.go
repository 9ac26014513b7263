package lab

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// Nomad's default ports.
const (
	HTTPPort uint16 = 4646
	RPCPort  uint16 = 4647
	SerfPort uint16 = 4648
)

// Plan is a lab as it will be: a pure function of a Spec and of what the host already uses. It holds no secret.
type Plan struct {
	Name string `json:"name"`
	// Nomad says which Nomad its nodes run.
	Nomad Nomad `json:"nomad"`
	// Subnet is the lab's network.
	Subnet netip.Prefix `json:"subnet"`
	// Certificates is how the lab's certificates differ from package pki's defaults.
	Certificates Certificates `json:"certificates,omitzero"`
	// Weaken names the protections that no agent of the lab has.
	Weaken []Weakness `json:"weaken,omitempty"`
	// Nodes are in the order of their addresses: servers, clients, joiners.
	Nodes []PlannedNode `json:"nodes"`
}

// PlannedNode is one agent as it will be.
type PlannedNode struct {
	Name       string   `json:"name"`
	Role       pki.Role `json:"role"`
	Region     string   `json:"region"`
	Datacenter string   `json:"datacenter"`
	// Joiner is true for an agent that stays outside until it is started.
	Joiner  bool       `json:"joiner,omitempty"`
	Address netip.Addr `json:"address"`
	// Aliases are the node's names on the lab's network.
	Aliases []string `json:"aliases"`
	// Identity is who its certificate speaks for.
	Identity pki.Identity `json:"identity"`
	// Gossip is which gossip key a server has.
	Gossip GossipKey `json:"gossip,omitempty"`
	// User is the numeric user and group that the agent runs as.
	User int `json:"user"`
	// Ports are published, each on a free port of 127.0.0.1.
	Ports   []uint16 `json:"ports"`
	Command []string `json:"command"`
	// Environment holds NAME=value entries.
	Environment []string      `json:"environment"`
	Files       []PlannedFile `json:"files"`
}

// PlannedFile is a file of a node. Either its content is in the plan, or it is a secret that is made when the lab is.
type PlannedFile struct {
	Path    string      `json:"path"`
	Mode    fs.FileMode `json:"mode"`
	Content string      `json:"content,omitempty"`
	Secret  Secret      `json:"secret,omitempty"`
}

// Secret says what a file will hold that is not in the plan.
type Secret string

// The contents that are made when a lab is.
const (
	CACertificate Secret = "ca certificate"
	Certificate   Secret = "certificate"
	PrivateKey    Secret = "private key"
	Gossip        Secret = "gossip key"
)

// Folders of a node. They are the official image's, so that both images look alike.
const (
	dataFolder   = "/nomad/data"
	configFolder = "/nomad/config"
	tlsFolder    = "/nomad/tls"
)

// agentUser is who agents run as. An agent needs no privilege for raw_exec, and a client that runs as root without
// privileges does not start at all: it cannot make its cgroup (nomad#23476).
const agentUser = 1000

// NewPlan makes the plan of a Spec. Occupied are the subnets that the host already uses. The Spec's templates must
// have been evaluated. It returns an *InvalidError when the Spec is, and ErrNoSubnet or ErrSubnetInUse.
func NewPlan(s Spec, occupied []netip.Prefix) (Plan, error) {
	if err := s.Validate(); err != nil {
		return Plan{}, err
	}
	s = s.withDefaults()
	p := Plan{Name: s.Name, Nomad: s.Nomad, Certificates: s.Certificates, Weaken: s.Weaken}
	for _, r := range s.Regions {
		p.addMembers(r, len(s.Regions) > 1)
	}
	for _, j := range s.Joiners {
		p.Nodes = append(p.Nodes, PlannedNode{
			Name: j.Name, Role: j.Role, Region: j.Region, Datacenter: datacenter(s.Regions, j.Region), Joiner: true,
			Gossip: p.gossip(j.Gossip), Identity: pki.Identity{Role: j.CertificateRole, Region: j.CertificateRegion},
		})
	}
	var err error
	if p.Subnet, err = chooseSubnet(s.Subnet, s.Name, len(p.Nodes), occupied); err != nil {
		return Plan{}, err
	}
	return p, p.complete(s)
}

func (p *Plan) addMembers(r Region, several bool) {
	for _, m := range members(r, several) {
		p.Nodes = append(p.Nodes, PlannedNode{
			Name: m.name, Role: m.role, Region: r.Name, Datacenter: r.Datacenter, Gossip: p.gossip(LabKey),
			Identity: pki.Identity{Role: m.role, Region: r.Name},
		})
	}
}

func (p *Plan) lacks(w Weakness) bool { return slices.Contains(p.Weaken, w) }

// gossip is which key a server has that was to have that one: in a lab without gossip keys, none has the lab's.
func (p *Plan) gossip(wanted GossipKey) GossipKey {
	if wanted == LabKey && p.lacks(NoGossipKey) {
		return NoKey
	}
	return wanted
}

// complete gives every node what follows from its place in the plan.
func (p *Plan) complete(s Spec) error {
	for i := range p.Nodes {
		address, err := nodeAddress(p.Subnet, i)
		if err != nil {
			return err
		}
		p.Nodes[i].Address = address
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.User = agentUser
		n.Aliases = []string{n.Name, n.Name + "." + n.Region}
		n.Ports = []uint16{HTTPPort}
		if n.Role == pki.Server {
			n.Ports = append(n.Ports, RPCPort)
		}
		n.Command = []string{"nomad", "agent", "-config", configFolder}
		// raw_exec asks who runs it. No image knows this user, so the environment says it (os/user, without cgo).
		n.Environment = []string{"USER=nomad", "HOME=" + dataFolder}
		if err := n.identify(s.Certificates); err != nil {
			return err
		}
		config, err := p.agent(*n, s.LogLevel).HCL()
		if err != nil {
			return fmt.Errorf("configuration of %s: %w", n.Name, err)
		}
		n.Files = planFiles(*n, string(config))
	}
	return nil
}

// identify puts the names and addresses into the node's certificate that its peers and users call it by.
func (n *PlannedNode) identify(c Certificates) error {
	n.Identity.DNSNames = append(append([]string(nil), n.Aliases...), c.DNSNames...)
	n.Identity.IPs = []netip.Addr{n.Address}
	for i, text := range c.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return &InvalidError{Problems: []Problem{{
				Field: fmt.Sprintf("certificates.ips[%d]", i), Found: fmt.Sprintf("%q", text),
				Mend: "use an IP address, or a go-sockaddr template that gives one",
			}}}
		}
		n.Identity.IPs = append(n.Identity.IPs, ip)
	}
	return nil
}

// agent is the node's Nomad configuration.
func (p *Plan) agent(n PlannedNode, logLevel string) agentconf.Agent {
	a := agentconf.Agent{
		Name: n.Name, Region: n.Region, Datacenter: n.Datacenter, LogLevel: logLevel,
		DataDir: dataFolder, Advertise: n.Address.String(),
		TLS: &agentconf.TLS{
			CAFile:   tlsFolder + "/" + pki.CAFile,
			CertFile: tlsFolder + "/" + n.Identity.CertFile(),
			KeyFile:  tlsFolder + "/" + n.Identity.KeyFile(),

			NoHTTP:                 p.lacks(NoHTTPTLS),
			NoRPC:                  p.lacks(NoRPCTLS),
			NoVerifyServerHostname: p.lacks(NoVerifyServerHostname),
			NoVerifyHTTPSClient:    p.lacks(NoVerifyHTTPSClient),
		},
	}
	if n.Role == pki.Client {
		a.Client = &agentconf.Client{Servers: p.addresses(n.Region, RPCPort), RawExec: true}
		return a
	}
	a.Server = &agentconf.Server{Join: p.addresses("", SerfPort)}
	if !n.Joiner {
		a.Server.BootstrapExpect = len(p.addresses(n.Region, RPCPort))
	}
	return a
}

// addresses are where the region's servers listen; the empty region means all of them, for gossip is one pool.
func (p *Plan) addresses(region string, port uint16) []string {
	var out []string
	for _, n := range p.Nodes {
		if n.Role == pki.Server && !n.Joiner && (region == "" || n.Region == region) {
			out = append(out, netip.AddrPortFrom(n.Address, port).String())
		}
	}
	return out
}

// planFiles are a node's files: its configuration, its own certificate and key, and the authority's certificate.
func planFiles(n PlannedNode, config string) []PlannedFile {
	files := []PlannedFile{
		{Path: dataFolder, Mode: fs.ModeDir | 0o700},
		{Path: configFolder, Mode: fs.ModeDir | 0o700},
		{Path: configFolder + "/agent.hcl", Mode: 0o600, Content: config},
	}
	if n.Role == pki.Server && n.Gossip != NoKey {
		files = append(files, PlannedFile{Path: configFolder + "/gossip.hcl", Mode: 0o600, Secret: Gossip})
	}
	return append(files,
		PlannedFile{Path: tlsFolder, Mode: fs.ModeDir | 0o700},
		PlannedFile{Path: tlsFolder + "/" + pki.CAFile, Mode: 0o600, Secret: CACertificate},
		PlannedFile{Path: tlsFolder + "/" + n.Identity.CertFile(), Mode: 0o600, Secret: Certificate},
		PlannedFile{Path: tlsFolder + "/" + n.Identity.KeyFile(), Mode: 0o600, Secret: PrivateKey},
	)
}

// member is a node that belongs to the lab from its start.
type member struct {
	name string
	role pki.Role
}

// members are a region's nodes. With several regions each name begins with its region.
func members(r Region, several bool) []member {
	prefix := ""
	if several {
		prefix = r.Name + "-"
	}
	var out []member
	for i := range max(*r.Servers, 0) {
		out = append(out, member{fmt.Sprintf("%s%s-%d", prefix, pki.Server, i+1), pki.Server})
	}
	for i := range max(*r.Clients, 0) {
		out = append(out, member{fmt.Sprintf("%s%s-%d", prefix, pki.Client, i+1), pki.Client})
	}
	return out
}

func datacenter(regions []Region, name string) string {
	for _, r := range regions {
		if r.Name == name {
			return r.Datacenter
		}
	}
	return ""
}
