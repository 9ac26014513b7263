// Package plan says what a lab will be: every node's name, address, certificate, files and command, before anything starts. A Plan
// is a pure function of a Spec and of the Ground that the lab stands on. Nothing here reaches an engine, a disk, a network or a clock.
package plan

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Ground is what a lab is planned on. Its zero value has no room for a subnet.
type HostEnvironment struct {
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

func (g HostEnvironment) contained() bool { return g.Folder == "" }

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
	Overrides []spec.Override `json:"overrides,omitempty"`
	// Nodes are in the order of their addresses: servers, clients, extra nodes.
	Nodes []Node `json:"nodes"`
	// GossipKey is what the first server of a user's configuration encrypts its gossip with. It is in no record.
	GossipKey Sealed `json:"-"`
}

// TLSFolder returns the folder of a node's certificates.
func (g HostEnvironment) TLSFolder(node string) string { return g.paths(node).tls }

// paths are the folders of a node.
type paths struct{ data, config, tls string }

// paths are the official image's in a container, so that both images look alike. On this machine they are short: the
// socket of a task lies below data, and the path of a socket has at most 107 bytes (unix(7)).
func (g HostEnvironment) paths(node string) paths {
	root := "/nomad"
	if !g.contained() {
		root = path.Join(g.Folder, node)
	}
	return paths{data: root + "/data", config: root + "/config", tls: root + "/tls"}
}

// agentFile is a node's configuration, below its folder for configuration.
const agentFile = "/agent.hcl"

// New makes the plan of a Spec. The Spec's templates must have been evaluated. It returns an *InvalidError when the
// Spec is, and ErrNoSubnet or ErrSubnetInUse.
func New(s spec.Spec, g HostEnvironment) (Plan, error) {
	if err := s.Validate(); err != nil {
		return Plan{}, err
	}
	s = s.WithDefaults()
	p := Plan{Name: s.Name, Nomad: s.Nomad, Certificates: s.Certificates, Overrides: s.Overrides}
	p.Hardened, p.NotBootstrapped, p.Configured = s.Hardened, s.NotBootstrapped, s.Configuration != nil
	if err := p.checkHost(g); err != nil {
		return Plan{}, err
	}
	for _, r := range s.Regions {
		p.addMembers(s, r)
	}
	for _, j := range s.ExtraNodes {
		p.Nodes = append(p.Nodes, Node{
			Name: j.Name, Role: j.Role, Region: j.Region, Datacenter: datacenter(s.Regions, j.Region), ExtraNode: true, Defect: j.Defect,
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

func (p *Plan) addMembers(s spec.Spec, r spec.Region) {
	for _, m := range s.MembersOf(r) {
		p.Nodes = append(p.Nodes, Node{
			Name: m.Name, Role: m.Role, Region: r.Name, Datacenter: r.Datacenter, Gossip: p.gossipKeyFor(m.Name, m.Role, spec.LabKey),
			Identity: p.Certificates.SpeaksFor(m.Role, r.Name, m.Name),
		})
	}
}

// gossipKeyFor returns which key a node encrypts its gossip with: the wanted one, or none where a setting takes the lab's away.
func (p *Plan) gossipKeyFor(name string, role pki.Role, wanted spec.GossipKey) spec.GossipKey {
	without := func(s spec.Override) bool {
		return s.RemovesGossipKey() && s.ConcernsNode(role, name)
	}
	if wanted == spec.LabKey && role == pki.Server && slices.ContainsFunc(p.Overrides, without) {
		return spec.NoKey
	}
	return wanted
}

// EncryptsGossip reports whether any server has the lab's gossip key.
func (p *Plan) EncryptsGossip() bool {
	return slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.Role == pki.Server && n.Gossip == spec.LabKey })
}

// GossipsInClear reports whether the server of that name is to have no gossip key.
func (p *Plan) GossipsInClear(name string) bool {
	return slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.Name == name && n.Gossip == spec.NoKey })
}

// complete gives every node what follows from its place in the plan.
func (p *Plan) complete(s spec.Spec, g HostEnvironment) error {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		at := g.paths(n.Name)
		if g.contained() {
			n.User = AgentUser
		}
		n.Aliases = []string{n.Name, n.Name + "." + n.Region}
		n.Ports = n.UsualPorts()
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
func (p *Plan) write(n *Node, logLevel string, g HostEnvironment) error {
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

// agent is the node's Nomad configuration.
func (p *Plan) agent(n Node, logLevel string, g HostEnvironment) agentconf.Agent {
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
	if !n.ExtraNode {
		a.Server.BootstrapExpect = len(p.addresses(n.Region, spec.RPCPort))
	}
	return a
}

// rawExec says whether clients run raw_exec tasks. On this machine's loopback they do so in a hardened lab alone: of a
// weakened one any local program, or a web page's POST, could have commands run as the lab's user.
func (p *Plan) rawExec(g HostEnvironment) bool {
	return !p.Hardened && (g.contained() || !p.WeakensTheLab())
}

// addresses are where the region's servers listen; the empty region means all of them, for gossip is one pool.
func (p *Plan) addresses(region string, port uint16) []string {
	var out []string
	for _, n := range p.Nodes {
		if n.Role == pki.Server && !n.ExtraNode && (region == "" || n.Region == region) {
			out = append(out, n.Peer(port))
		}
	}
	return out
}

func datacenter(regions []spec.Region, name string) string {
	for _, r := range regions {
		if r.Name == name {
			return r.Datacenter
		}
	}
	return ""
}

// introTokenFile is where a client looks for its introduction token, in the folder of its state
// (command/agent/agent.go:811 and :858).
const introTokenFile = "intro_token.jwt"

// harden turns on what a hardened lab has beyond others. That it has no raw_exec, rawExec says.
func (p *Plan) harden(a *agentconf.Agent) {
	if !p.Hardened {
		return
	}
	a.ACL, a.TLS.MinVersion = true, "tls12"
	if a.Server != nil {
		a.Server.ClientIntroduction = "strict"
	}
}

// Bootstrapped reports whether the lab's ACL system is bootstrapped by whoever brings it up.
func (p *Plan) Bootstrapped() bool { return p.Hardened && !p.NotBootstrapped }

// introduction is what introduces a client to the servers of a hardened lab.
func (p *Plan) introduction(n Node, at paths) []File {
	if !p.Bootstrapped() || n.Role != pki.Client || n.Introduction == spec.NotIntroduced {
		return nil
	}
	state := at.data + "/client"
	return []File{
		{Path: state, Mode: fs.ModeDir | 0o700},
		{Path: state + "/" + introTokenFile, Mode: 0o600, Secret: IntroToken},
	}
}
