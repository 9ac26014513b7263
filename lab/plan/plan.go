// Package plan determines a lab before anything starts: every node's name, address, certificate, files and command. A Plan is a
// pure function of a Spec and a HostEnvironment. The package uses no engine, disk, network or clock.
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

// HostEnvironment is what a plan must know of the machine and the engine. The zero value has no room for a subnet.
type HostEnvironment struct {
	// Pools are the networks in which a free subnet is looked for, in this order.
	Pools []netip.Prefix
	// Occupied are the subnets that the host already uses.
	Occupied []netip.Prefix
	// Folder is where the nodes' files are on this machine, each node's below Folder/NAME. Empty: every node is
	// contained, that is, it has a file system and a network of its own.
	Folder string
	// Named is true if nodes get their addresses, a link-local one among them, when their containers start, and know each
	// other by name. The plan then has no subnet and no addresses; Pools and Occupied are ignored.
	Named bool
	// Versions are the versions of Nomad of images and binaries that the Spec names, by the image or path, as far as they are known.
	Versions map[string]string
}

func (host HostEnvironment) contained() bool { return host.Folder == "" }

// Plan is a lab as it will be. It contains no secret.
type Plan struct {
	Name string `json:"name"`
	// Nomad says which Nomad the nodes run.
	Nomad spec.Nomad `json:"nomad"`
	// Subnet is the lab's network. Invalid if the HostEnvironment is Named.
	Subnet netip.Prefix `json:"subnet"`
	// Authority says where the lab's certificates come from.
	Authority spec.Authority `json:"authority,omitzero"`
	// GossipKeyBytes is the length of the lab's gossip key.
	GossipKeyBytes int `json:"gossip_key_bytes,omitempty"`
	// Certificates says how the lab's certificates differ from the defaults of package pki.
	Certificates spec.Certificates `json:"certificates,omitzero"`
	// UserConfiguration is true for a lab whose agents read a user configuration.
	UserConfiguration bool `json:"user_configuration,omitempty"`
	// Hardened is true for a hardened lab; see spec.Spec.
	Hardened bool `json:"hardened,omitempty"`
	// NotBootstrapped is true for a hardened lab whose ACL system is not bootstrapped by Up.
	NotBootstrapped bool `json:"not_bootstrapped,omitempty"`
	// Overrides are the lines of the agents' configuration that differ from those of the lab.
	Overrides []spec.Override `json:"overrides,omitempty"`
	// LeftOut is what the lab's own configurations do not have because a Nomad of the lab does not know it. Empty: nothing.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	// Services are programs beside the agents: a Vault server, if that issues the certificates.
	Services []Service `json:"services,omitempty"`
	// Nodes are in the order of their addresses: servers, clients, extra nodes.
	Nodes []Node `json:"nodes"`
	// GossipKey is the gossip key in the user configuration of the first server. It is in no record.
	GossipKey Sealed `json:"-"`
}

// TLSFolder returns the folder of a node's certificates.
func (host HostEnvironment) TLSFolder(node string) string { return host.paths(node).tls }

// paths are the folders of a node.
type paths struct{ root, data, config, tls string }

// paths returns the folders of a node. In a container they are those of the official image. On this machine they are
// short: the socket of a task is below data, and the path of a socket has at most 107 bytes (unix(7)).
func (host HostEnvironment) paths(node string) paths {
	root := "/nomad"
	if !host.contained() {
		root = path.Join(host.Folder, node)
	}
	return paths{root: root, data: root + "/data", config: root + "/config", tls: root + "/tls"}
}

// agentFile is a node's configuration, below its folder for configuration.
const agentFile = "/agent.hcl"

// New returns the plan of a Spec whose templates have been evaluated. It returns an *InvalidError for an invalid Spec,
// and ErrNoSubnet or ErrSubnetInUse if there is no free subnet.
func New(s spec.Spec, host HostEnvironment) (Plan, error) {
	if err := s.Validate(); err != nil {
		return Plan{}, err
	}
	s = s.WithDefaults()
	p := Plan{
		Name: s.Name, Nomad: s.Nomad, Authority: s.Authority, GossipKeyBytes: s.GossipKeyBytes, Certificates: s.Certificates, Overrides: s.Overrides,
	}
	p.Hardened, p.NotBootstrapped, p.UserConfiguration = s.Hardened, s.NotBootstrapped, s.Configuration != nil
	if err := p.checkHost(host); err != nil {
		return Plan{}, err
	}
	for _, r := range s.Regions {
		p.addMembers(s, r)
	}
	for _, x := range s.ExtraNodes {
		p.Nodes = append(p.Nodes, Node{
			Name: x.Name, Role: x.Role, Region: x.Region, Datacenter: datacenter(s.Regions, x.Region), ExtraNode: true, Defect: x.Defect,
			Gossip: p.gossipKeyFor(x.Name, x.Role, x.Gossip), Introduction: x.Introduction, AdvertisedRPCPort: x.AdvertisedRPCPort,
			Identity: pki.Identity{Role: x.CertificateRole, Region: x.CertificateRegion}, CertificateDomain: x.CertificateDomain,
		})
	}
	p.addServices()
	var err error
	if p.Subnet, err = chooseSubnet(s.Subnet, s.Name, len(p.Nodes)+len(p.Services), host); err != nil {
		return Plan{}, err
	}
	p.chooseNomads(host)
	if err := p.address(host, s.OneHost); err != nil {
		return Plan{}, err
	}
	for i := range p.Services {
		p.completeVault(&p.Services[i], host)
	}
	if err := p.complete(s, host); err != nil {
		return Plan{}, err
	}
	return p, p.checkPorts(s.OneHost, host)
}

func (p *Plan) addMembers(s spec.Spec, r spec.Region) {
	for _, m := range s.MembersOf(r) {
		p.Nodes = append(p.Nodes, Node{
			Name: m.Name, Role: m.Role, Region: r.Name, Datacenter: r.Datacenter, Gossip: p.gossipKeyFor(m.Name, m.Role, spec.LabKey),
			Identity: p.Certificates.SpeaksFor(m.Role, r.Name, m.Name),
		})
	}
}

// gossipKeyFor returns the gossip key of a node: the wanted one, or none if an override removes the key of the lab.
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

// GossipsInClear reports whether the server of that name has no gossip key.
func (p *Plan) GossipsInClear(name string) bool {
	return slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.Name == name && n.Gossip == spec.NoKey })
}

// complete fills in what follows from the names and addresses of the nodes.
func (p *Plan) complete(s spec.Spec, host HostEnvironment) error {
	for i := range p.Nodes { // before any configuration: it names the ports of others
		p.Nodes[i].listen(s.Ports)
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		at := host.paths(n.Name)
		if host.contained() {
			n.User = AgentUser
		}
		n.Aliases = []string{n.Name, n.Name + "." + n.Region}
		n.Command = []string{"nomad", "agent", "-config", at.config}
		// raw_exec looks up its user, which no image has; the environment has it too (os/user, without cgo).
		n.Environment = []string{"USER=nomad", "HOME=" + at.data}
		if s.RelativePaths {
			n.Folder = at.tls
		}
		if err := n.identify(s.Authority, s.Certificates); err != nil {
			return err
		}
		n.ConsulTemplate = s.Authority.Source == spec.VaultSource && n.Defect == ""
		if s.Configuration != nil {
			if err := p.configure(n, s.Configuration, s.LogLevel, host); err != nil {
				return err
			}
			continue
		}
		if err := p.write(n, s.LogLevel, host); err != nil {
			return err
		}
	}
	return nil
}

// write gives a node the lab's own configuration.
func (p *Plan) write(n *Node, logLevel string, host HostEnvironment) error {
	agent := p.agent(*n, logLevel, host)
	p.harden(&agent)
	config, err := agent.HCL()
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", n.Name, err)
	}
	if config, err = p.edit(*n, config); err != nil {
		return err
	}
	if config, err = p.leaveOut(*n, config, host); err != nil {
		return err
	}
	if config, err = n.editAdvertised(config); err != nil {
		return err
	}
	if config, err = n.editPorts(config); err != nil {
		return err
	}
	encrypted, err := agentconf.Flag(config, "tls.http")
	n.HTTPInClear = err == nil && !encrypted
	at := host.paths(n.Name)
	n.Files = planFiles(*n, at, string(config))
	if n.ConsulTemplate {
		p.supervise(n, host)
	} else {
		n.Files = append(n.Files, certificateFiles(*n, at)...)
	}
	n.Files = append(n.Files, p.introduction(*n, at)...)
	return nil
}

// agent returns the node's Nomad configuration.
func (p *Plan) agent(n Node, logLevel string, host HostEnvironment) agentconf.Agent {
	at := host.paths(n.Name)
	a := agentconf.Agent{
		Name: n.Name, Region: n.Region, Datacenter: n.Datacenter, LogLevel: logLevel,
		DataDir: at.data, Advertise: n.advertise(), TLS: p.tls(n, host),
	}
	if !host.contained() {
		a.BindAddr = a.Advertise // no other address of this machine belongs to the node
	}
	if n.Role == pki.Client {
		a.Client = &agentconf.Client{Servers: p.addresses(n.Region, Node.RPCPort), RawExec: p.rawExec(host)}
		return a
	}
	a.Server = &agentconf.Server{Join: p.addresses("", Node.SerfPort)}
	if !n.ExtraNode {
		a.Server.BootstrapExpect = len(p.addresses(n.Region, Node.RPCPort))
	}
	return a
}

// tls returns where the agent finds its certificate.
func (p *Plan) tls(n Node, host HostEnvironment) *agentconf.TLS {
	at := host.paths(n.Name)
	folder := at.tls + "/"
	switch {
	case n.ConsulTemplate:
		rendered := p.rendered(n, host)
		return &agentconf.TLS{CAFile: rendered.CAFile(), CertFile: rendered.CertFile(), KeyFile: rendered.KeyFile()}
	case n.Folder == at.tls:
		folder = ""
	}
	return &agentconf.TLS{
		CAFile: folder + pki.CAFile, CertFile: folder + n.Identity.CertFile(), KeyFile: folder + n.Identity.KeyFile(), Relative: folder == "",
	}
}

// rawExec reports whether clients run raw_exec tasks. On this machine's loopback they do so only in a lab that lacks no
// protection: otherwise any local program, or a POST from a web page, could run commands as the lab's user.
func (p *Plan) rawExec(host HostEnvironment) bool {
	return !p.Hardened && (host.contained() || !p.MayLackProtection())
}

// addresses returns the addresses of the servers of a region, or of all regions for the empty one: gossip spans all
// regions.
func (p *Plan) addresses(region string, port func(Node) uint16) []string {
	var out []string
	for _, n := range p.Nodes {
		if n.Role == pki.Server && !n.ExtraNode && (region == "" || n.Region == region) {
			out = append(out, n.Peer(port(n)))
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

// harden adds the settings of a hardened lab. rawExec leaves out raw_exec.
func (p *Plan) harden(a *agentconf.Agent) {
	if !p.Hardened {
		return
	}
	a.ACL, a.TLS.MinVersion = true, "tls12"
	if a.Server != nil && p.introduces() {
		a.Server.ClientIntroduction = "strict"
	}
}

// Bootstrapped reports whether Up bootstraps the ACL system.
func (p *Plan) Bootstrapped() bool { return p.Hardened && !p.NotBootstrapped }

// introduction returns the files with which a client introduces itself to the servers of a hardened lab.
func (p *Plan) introduction(n Node, at paths) []File {
	if !p.Bootstrapped() || !p.introduces() || n.Role != pki.Client || n.Introduction == spec.NotIntroduced {
		return nil
	}
	state := at.data + "/client"
	return []File{
		{Path: state, Mode: fs.ModeDir | 0o700},
		{Path: state + "/" + introTokenFile, Mode: 0o600, Secret: IntroToken},
	}
}
