package regress

import (
	"errors"
	"io/fs"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// ErrConfiguration is wrapped by every error about a user's configuration: nothing was started, or an agent refused it. The
// text says where the problem is, and what to do.
var ErrConfiguration = errors.New("the configuration cannot be checked")

// Paths say where a user's configuration is.
type Paths struct {
	// Server and Client are files and folders in the order of the agent's -config flags. Server must not be empty; if Client
	// is empty, the cluster has no clients.
	Server, Client []string
	// TLS is the folder with the files that the tls blocks name, at those paths or at the end of them. Empty: the lab issues
	// the certificates.
	TLS string
	// ServerTLS and ClientTLS are the folders of each role, if they differ. Empty: TLS.
	ServerTLS, ClientTLS string
}

// Source is a user's configuration as it was read. No method writes to the user's files.
type Source struct {
	// Configuration is what agents read. It is never changed.
	Configuration *spec.Configuration
	// Originals are the user's own files whose modes and owners are checked.
	Originals []Original
	// Material are the files with certificates and keys in the folders of Paths, or at the paths that the configuration names
	// on this machine. Empty: the lab issues the certificates, and the user's are not known.
	Material []Material
	// Notes say what a reader of a report must know about how the configuration was read.
	Notes []string
	// oneForBoth is true if one certificate is checked for servers and clients: see noteOneForBoth.
	oneForBoth bool
	// Region and Datacenter are those of the servers. Servers is how many begin a cluster.
	Region, Datacenter string
	Servers            int
}

// Holds says what a file holds.
type Holds string

// The things that a file can hold.
const (
	// HoldsKey is the private key of the agent's certificate.
	HoldsKey Holds = "private key"
	// HoldsSecrets is configuration with a secret in it, such as a gossip key.
	HoldsSecrets Holds = "configuration with secrets"
	// HoldsSettings is configuration without a secret.
	HoldsSettings Holds = "configuration"
)

// Original is a file of the user.
type Original struct {
	Role pki.Role
	// Path is the one that the user gave.
	Path  string
	Holds Holds
	Mode  fs.FileMode
	// Owner is the user ID of its owner.
	Owner int
	// Secrets are the lines of a configuration that hold a secret.
	Secrets []agentconf.Secret
}

// hasClients reports whether there is a configuration of clients.
func (s Source) hasClients() bool { return len(s.Configuration.Client.Files) > 0 }

// of returns the configuration of the role's agents.
func (s Source) of(role pki.Role) *spec.AgentConfiguration {
	if role == pki.Client {
		return &s.Configuration.Client
	}
	return &s.Configuration.Server
}

// files returns what agents of the role read.
func (s Source) files(role pki.Role) agentconf.Files { return s.of(role).Files }

// credential returns the user's credential of the role; nil if there is none.
func (s Source) credential(role pki.Role) *pki.Credential { return s.of(role).Credential }

// roles returns the roles that have a configuration.
func (s Source) roles() []pki.Role {
	if s.hasClients() {
		return []pki.Role{pki.Server, pki.Client}
	}
	return []pki.Role{pki.Server}
}
