package plan

import (
	"io/fs"
	"net/netip"
	"path"

	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/spec"
)

// Service is a program beside the agents.
type Service struct {
	// Name is the service's name in the lab, which no node has.
	Name string `json:"name"`
	// Address is its address on the lab's network.
	Address netip.Addr `json:"address"`
	// Port is the port at which it listens.
	Port uint16 `json:"port"`
	// TLS is true if it listens with TLS.
	TLS bool `json:"tls,omitempty"`
	// User is its numeric user and group. Zero: the engine chooses.
	User    int      `json:"user,omitempty"`
	Command []string `json:"command"`
	Files   []File   `json:"files"`
}

// VaultName is the name of the lab's Vault server, on its network too.
const VaultName = spec.VaultSource

// vaultPort is Vault's default port.
const vaultPort = 8200

// URL returns where the lab's nodes call the service.
func (s Service) URL() string {
	scheme := "http"
	if s.TLS {
		scheme = "https"
	}
	return scheme + "://" + netip.AddrPortFrom(s.Address, s.Port).String()
}

// addServices adds the Vault server of a lab whose certificates it issues. The published guide has no TLS on it.
func (p *Plan) addServices() {
	if p.Authority.Source == spec.VaultSource {
		p.Services = []Service{{Name: VaultName, Port: vaultPort, TLS: !p.Authority.AsPublished}}
	}
}

// completeVault fills in the files and the command of the Vault server.
func (p *Plan) completeVault(s *Service, host HostEnvironment) {
	at := host.paths(s.Name)
	if host.contained() {
		s.User = AgentUser
	}
	server := render.Server{Address: netip.AddrPortFrom(s.Address, s.Port).String(), DataFolder: at.data}
	if s.TLS {
		server.CertFile, server.KeyFile = at.tls+"/vault.pem", at.tls+"/vault-key.pem"
	}
	config := at.config + "/vault.hcl"
	s.Command = []string{"vault", "server", "-config", config}
	s.Files = []File{
		{Path: at.data, Mode: fs.ModeDir | 0o700},
		{Path: at.config, Mode: fs.ModeDir | 0o700},
		{Path: config, Mode: 0o600, Content: server.Config()},
	}
	if s.TLS {
		s.Files = append(s.Files,
			File{Path: at.tls, Mode: fs.ModeDir | 0o700},
			File{Path: server.CertFile, Mode: 0o600, Secret: VaultCertificate},
			File{Path: server.KeyFile, Mode: 0o600, Secret: VaultKey})
	}
}

// rendered returns what consul-template renders for a node. Its TTL is zero where the Spec has none.
func (p *Plan) rendered(n Node, host HostEnvironment) render.Node {
	at, vault := host.paths(n.Name), p.Services[0]
	out := render.Node{
		Identity: n.Identity, Published: p.Authority.AsPublished, Folder: at.tls, ConfigFolder: at.root + "/consul-template/config",
		Address: vault.URL(), Command: n.Command, TTL: p.Certificates.TTL,
	}
	if vault.TLS {
		out.VaultCA = at.root + "/consul-template/vault-ca.pem"
	}
	return out
}

// supervise gives a node the files of consul-template, and makes that its main process.
func (p *Plan) supervise(n *Node, host HostEnvironment) {
	r := p.rendered(*n, host)
	home := path.Dir(r.ConfigFolder)
	program := home + "/consul-template"
	for _, folder := range []string{home, r.ConfigFolder, r.Folder, r.TemplateFolder(), r.CertFolder()} {
		n.Files = append(n.Files, File{Path: folder, Mode: fs.ModeDir | 0o700})
	}
	if r.Published {
		n.Files = append(n.Files, File{Path: r.UserCertFolder(), Mode: fs.ModeDir | 0o700})
	}
	n.Files = append(n.Files,
		File{Path: program, Mode: 0o700, Secret: ConsulTemplate},
		File{Path: r.ConfigFile(), Mode: 0o600, Content: r.Config()},
		File{Path: r.TokenFile(), Mode: 0o600, Secret: VaultToken})
	if r.VaultCA != "" {
		n.Files = append(n.Files, File{Path: r.VaultCA, Mode: 0o600, Secret: VaultCA})
	}
	for _, t := range r.Templates() {
		n.Files = append(n.Files, File{Path: t.Source, Mode: 0o600, Content: t.Text})
	}
	n.Command = r.Supervisor(program)
}
