package lab

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Ground is what a lab is planned on. Its zero value has no room for a subnet.
type Ground struct {
	// Pools are where a free subnet is looked for, in this order.
	Pools []netip.Prefix
	// Occupied are the subnets that the host already uses.
	Occupied []netip.Prefix
	// Folder is where the nodes' files are on this machine, each node's below Folder/NAME. Empty: every node is contained,
	// with a file system and a network of its own.
	Folder string
	// Named is true where nodes get their addresses with their containers, a link-local one among them, and know each other
	// by name alone. The plan then has neither a subnet nor addresses, and Pools and Occupied are not looked at.
	Named bool
}

func (g Ground) contained() bool { return g.Folder == "" }

// Plan is a lab as it will be: a pure function of a Spec and of the ground that it stands on. It holds no secret.
type Plan struct {
	Name string `json:"name"`
	// Nomad says which Nomad its nodes run.
	Nomad spec.Nomad `json:"nomad"`
	// Subnet is the lab's network. Invalid on Ground that is Named.
	Subnet netip.Prefix `json:"subnet"`
	// Certificates is how the lab's certificates differ from package pki's defaults.
	Certificates spec.Certificates `json:"certificates,omitzero"`
	// Configured is true for a lab whose agents read a user's configuration.
	Configured bool `json:"configured,omitempty"`
	// Hardened is true for a lab with ACLs, strict introduction of clients and no raw_exec.
	Hardened bool `json:"hardened,omitempty"`
	// NotBootstrapped is true for one whose ACL system is left to whoever comes first.
	NotBootstrapped bool `json:"not_bootstrapped,omitempty"`
	// Settings are lines of the agents' configuration that are not as a lab has them.
	Settings []spec.Setting `json:"settings,omitempty"`
	// Nodes are in the order of their addresses: servers, clients, joiners.
	Nodes []PlannedNode `json:"nodes"`
	// GossipKey is what the first server of a user's configuration encrypts its gossip with. It is in no record.
	GossipKey Sealed `json:"-"`
}

// PlannedNode is one agent as it will be.
type PlannedNode struct {
	Name       string   `json:"name"`
	Role       pki.Role `json:"role"`
	Region     string   `json:"region"`
	Datacenter string   `json:"datacenter"`
	// NodePool is the one that a client registers in. Empty: default.
	NodePool string `json:"node_pool,omitempty"`
	// Joiner is true for an agent that stays outside until it is started.
	Joiner bool `json:"joiner,omitempty"`
	// Address is the node's on the lab's network. Invalid on Ground that is Named.
	Address netip.Addr `json:"address"`
	// Aliases are the node's names on the lab's network.
	Aliases []string `json:"aliases"`
	// Identity is who its certificate speaks for.
	Identity pki.Identity `json:"identity"`
	// Flaw is what is wrong with its certificate, by the name of one of pki.Flaws. Empty: nothing.
	Flaw string `json:"flaw,omitempty"`
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
	Environment []string      `json:"environment"`
	Files       []PlannedFile `json:"files"`
}

// PlannedFile is a file of a node. Either its content is in the plan, or it is a secret that is made when the lab is.
type PlannedFile struct {
	Path    string      `json:"path"`
	Mode    fs.FileMode `json:"mode"`
	Content string      `json:"content,omitempty"`
	Secret  Secret      `json:"secret,omitempty"`
	// Also are further secrets that the file holds, behind the first.
	Also []Secret `json:"also,omitempty"`
	// Origin is the name that the user of a configuration knows the file by.
	Origin string `json:"origin,omitempty"`
	// Whole is the text of which Content is what may be shown. It is in no record.
	Whole Sealed `json:"-"`
}

// Secret says what a file will hold that is not in the plan.
type Secret string

// The contents that are made when a lab is.
const (
	CACertificate Secret = "ca certificate"
	Certificate   Secret = "certificate"
	PrivateKey    Secret = "private key"
	Gossip        Secret = "gossip key"
	IntroToken    Secret = "introduction token"
	// UserText is a file of a user's configuration; its Content is without secrets.
	UserText Secret = "configuration"
)

// paths are the folders of a node.
type paths struct{ data, config, tls string }

// paths are the official image's in a container, so that both images look alike. On this machine they are short: the
// socket of a task lies below data, and the path of a socket has at most 107 bytes (unix(7)).
func (g Ground) paths(node string) paths {
	root := "/nomad"
	if !g.contained() {
		root = path.Join(g.Folder, node)
	}
	return paths{data: root + "/data", config: root + "/config", tls: root + "/tls"}
}

// agentFile is a node's configuration, below its folder for configuration.
const agentFile = "/agent.hcl"

// agentUser is who agents run as. An agent needs no privilege for raw_exec, and a client that runs as root without
// privileges does not start at all: it cannot make its cgroup (nomad#23476).
const agentUser = 1000

// NewPlan makes the plan of a Spec. The Spec's templates must have been evaluated. It returns an *InvalidError when the
// Spec is, and ErrNoSubnet or ErrSubnetInUse.
func NewPlan(s spec.Spec, g Ground) (Plan, error) {
	if err := s.Validate(); err != nil {
		return Plan{}, err
	}
	s = s.WithDefaults()
	p := Plan{Name: s.Name, Nomad: s.Nomad, Certificates: s.Certificates, Settings: s.Settings}
	p.Hardened, p.NotBootstrapped, p.Configured = s.Hardened, s.NotBootstrapped, s.Configuration != nil
	if err := p.checkGround(g); err != nil {
		return Plan{}, err
	}
	for _, r := range s.Regions {
		p.addMembers(r, len(s.Regions) > 1)
	}
	for _, j := range s.Joiners {
		p.Nodes = append(p.Nodes, PlannedNode{
			Name: j.Name, Role: j.Role, Region: j.Region, Datacenter: datacenter(s.Regions, j.Region), Joiner: true, Flaw: j.Flaw,
			Gossip: p.gossipKeyFor(j.Name, j.Role, j.Gossip), Introduction: j.Introduction, AdvertisedRPCPort: j.AdvertisedRPCPort,
			Identity: pki.Identity{Role: j.CertificateRole, Region: j.CertificateRegion},
		})
	}
	var err error
	if p.Subnet, err = chooseSubnet(s.Subnet, s.Name, len(p.Nodes), g); err != nil {
		return Plan{}, err
	}
	if err := p.address(g); err != nil {
		return Plan{}, err
	}
	return p, p.complete(s, g)
}

func (p *Plan) addMembers(r spec.Region, several bool) {
	for _, m := range r.Members(several) {
		p.Nodes = append(p.Nodes, PlannedNode{
			Name: m.Name, Role: m.Role, Region: r.Name, Datacenter: r.Datacenter, Gossip: p.gossipKeyFor(m.Name, m.Role, spec.LabKey),
			Identity: p.Certificates.SpeaksFor(m.Role, r.Name, m.Name),
		})
	}
}

// gossipKeyFor returns which key a node encrypts its gossip with: the wanted one, or none where a setting takes the lab's away.
func (p *Plan) gossipKeyFor(name string, role pki.Role, wanted spec.GossipKey) spec.GossipKey {
	without := func(s spec.Setting) bool {
		return s.RemovesGossipKey() && s.ConcernsNode(role, name)
	}
	if wanted == spec.LabKey && role == pki.Server && slices.ContainsFunc(p.Settings, without) {
		return spec.NoKey
	}
	return wanted
}

// encryptsGossip reports whether any server has the lab's gossip key.
func (p *Plan) encryptsGossip() bool {
	return slices.ContainsFunc(p.Nodes, func(n PlannedNode) bool { return n.Role == pki.Server && n.Gossip == spec.LabKey })
}

// gossipsInClear reports whether the server of that name is to have no gossip key.
func (p *Plan) gossipsInClear(name string) bool {
	return slices.ContainsFunc(p.Nodes, func(n PlannedNode) bool { return n.Name == name && n.Gossip == spec.NoKey })
}

// complete gives every node what follows from its place in the plan.
func (p *Plan) complete(s spec.Spec, g Ground) error {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		at := g.paths(n.Name)
		if g.contained() {
			n.User = agentUser
		}
		n.Aliases = []string{n.Name, n.Name + "." + n.Region}
		n.Ports = n.ports()
		n.Command = []string{"nomad", "agent", "-config", at.config}
		// raw_exec asks who runs it. No image knows this user, so the environment says it (os/user, without cgo).
		n.Environment = []string{"USER=nomad", "HOME=" + at.data}
		if err := n.identify(s.Certificates); err != nil {
			return err
		}
		if s.Configuration != nil {
			if err := p.configure(n, s.Configuration, s.LogLevel, g); err != nil {
				return err
			}
			continue
		}
		if err := p.write(n, s.LogLevel, g); err != nil {
			return err
		}
	}
	return nil
}

// write gives a node the lab's own configuration.
func (p *Plan) write(n *PlannedNode, logLevel string, g Ground) error {
	agent := p.agent(*n, logLevel, g)
	p.harden(&agent)
	config, err := agent.HCL()
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", n.Name, err)
	}
	if config, err = p.edit(*n, config); err != nil {
		return err
	}
	if config, err = n.editAdvertised(config); err != nil {
		return err
	}
	encrypted, err := agentconf.Flag(config, "tls.http")
	n.HTTPInClear = err == nil && !encrypted
	at := g.paths(n.Name)
	n.Files = append(planFiles(*n, at, string(config)), p.introduction(*n, at)...)
	return nil
}

// port is the one at that place among the node's, or Nomad's own where it has none.
func (n PlannedNode) port(place int, usual uint16) uint16 {
	if place < len(n.Ports) {
		return n.Ports[place]
	}
	return usual
}

func (n PlannedNode) httpPort() uint16 { return n.port(0, spec.HTTPPort) }
func (n PlannedNode) rpcPort() uint16  { return n.port(1, spec.RPCPort) }
func (n PlannedNode) serfPort() uint16 { return n.port(2, spec.SerfPort) }

// ports are what others than the lab's nodes have business with.
func (n *PlannedNode) ports() []uint16 {
	if n.Role == pki.Server {
		return []uint16{spec.HTTPPort, spec.RPCPort, spec.SerfPort}
	}
	return []uint16{spec.HTTPPort}
}

// identify puts the names and addresses into the node's certificate that its peers and users call it by.
func (n *PlannedNode) identify(c spec.Certificates) error {
	n.Flaw, n.TrustsForeign = cmp.Or(n.Flaw, c.FlawOf(n.Role, n.Name)), c.TrustsForeign(n.Role, n.Name)
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

// agent is the node's Nomad configuration.
func (p *Plan) agent(n PlannedNode, logLevel string, g Ground) agentconf.Agent {
	at := g.paths(n.Name)
	a := agentconf.Agent{
		Name: n.Name, Region: n.Region, Datacenter: n.Datacenter, LogLevel: logLevel,
		DataDir: at.data, Advertise: n.advertise(),
		TLS: &agentconf.TLS{
			CAFile:   at.tls + "/" + pki.CAFile,
			CertFile: at.tls + "/" + n.Identity.CertFile(),
			KeyFile:  at.tls + "/" + n.Identity.KeyFile(),
		},
	}
	if !g.contained() {
		a.BindAddr = a.Advertise // every other address of this machine is somebody else's
	}
	if n.Role == pki.Client {
		a.Client = &agentconf.Client{Servers: p.addresses(n.Region, spec.RPCPort), RawExec: p.rawExec(g)}
		return a
	}
	a.Server = &agentconf.Server{Join: p.addresses("", spec.SerfPort)}
	if !n.Joiner {
		a.Server.BootstrapExpect = len(p.addresses(n.Region, spec.RPCPort))
	}
	return a
}

// rawExec says whether clients run raw_exec tasks. On this machine's loopback they do so in a hardened lab alone: of a
// weakened one any local program, or a web page's POST, could have commands run as the lab's user.
func (p *Plan) rawExec(g Ground) bool { return !p.Hardened && (g.contained() || !p.Weakened()) }

// addresses are where the region's servers listen; the empty region means all of them, for gossip is one pool.
func (p *Plan) addresses(region string, port uint16) []string {
	var out []string
	for _, n := range p.Nodes {
		if n.Role == pki.Server && !n.Joiner && (region == "" || n.Region == region) {
			out = append(out, n.peer(port))
		}
	}
	return out
}

// planFiles are a node's files: its configuration, its own certificate and key, and the authority's certificate.
func planFiles(n PlannedNode, at paths, config string) []PlannedFile {
	files := []PlannedFile{
		{Path: at.data, Mode: fs.ModeDir | 0o700},
		{Path: at.config, Mode: fs.ModeDir | 0o700},
		{Path: at.config + agentFile, Mode: 0o600, Content: config},
	}
	if n.Role == pki.Server && n.Gossip != spec.NoKey {
		files = append(files, PlannedFile{Path: at.config + "/gossip.hcl", Mode: 0o600, Secret: Gossip})
	}
	return append(files,
		PlannedFile{Path: at.tls, Mode: fs.ModeDir | 0o700},
		PlannedFile{Path: at.tls + "/" + pki.CAFile, Mode: 0o600, Secret: CACertificate},
		PlannedFile{Path: at.tls + "/" + n.Identity.CertFile(), Mode: 0o600, Secret: Certificate},
		PlannedFile{Path: at.tls + "/" + n.Identity.KeyFile(), Mode: 0o600, Secret: PrivateKey},
	)
}

func datacenter(regions []spec.Region, name string) string {
	for _, r := range regions {
		if r.Name == name {
			return r.Datacenter
		}
	}
	return ""
}

// Sealed is a text that is not shown when what it is in is printed or written down.
type Sealed string

// String keeps it out of %v.
func (Sealed) String() string { return "…" }

// GoString keeps it out of %#v.
func (Sealed) GoString() string { return "…" }

// MarshalText keeps it out of JSON and YAML.
func (Sealed) MarshalText() ([]byte, error) { return []byte("…"), nil }

// touches reports whether the node's certificate is to be another than it would be.
func touches(c spec.Certificates, n PlannedNode) bool {
	return n.Flaw != "" || n.Identity.Role != n.Role || n.Identity.Region != n.Region || len(c.NamesOf(n.Role, n.Name)) > 0
}
