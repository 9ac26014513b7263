package regress

import (
	"errors"
	"io/fs"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// ErrConfiguration is wrapped by every error about a user's configuration: nothing was started, or the agent has refused
// it. The text says where, and what to do.
var ErrConfiguration = errors.New("the configuration cannot be checked")

// Paths say where a user's configuration is.
type Paths struct {
	// Server and Client are files and folders in the order of the agent's own -config flags. Server must not be empty; an
	// empty Client is a cluster without clients.
	Server, Client []string
	// TLS is the folder that has the files which the tls blocks name, by those paths or by the end of them. Empty: the lab
	// issues the certificates.
	TLS string
	// ServerTLS and ClientTLS are the folders of each role, where they are not one. Empty: TLS.
	ServerTLS, ClientTLS string
}

// Source is a user's configuration as it was read. Nothing that is done with it writes to the user's files.
type Source struct {
	// Configuration is what agents read. It is not changed once made.
	Configuration *spec.Configuration
	// Originals are the user's own files whose modes and owners count.
	Originals []Original
	// Material are the files with certificates and keys that were handed in, or that lie where this machine's own agents have
	// them. Empty: the lab issues the certificates, and nothing is known of the user's.
	Material []Material
	// Notes say what a reader of a report must know first of how the configuration was read.
	Notes []string
	// oneForBoth is true where one certificate is judged for servers and clients: see noteOneForBoth.
	oneForBoth bool
	// Region and Datacenter are the servers', and Servers is how many begin a cluster.
	Region, Datacenter string
	Servers            int
}

// Holds says what is secret in a file.
type Holds string

// What a file can hold.
const (
	// HoldsKey is the private key of the agent's certificate.
	HoldsKey Holds = "private key"
	// HoldsSecrets is configuration with a secret in it, such as a gossip key.
	HoldsSecrets Holds = "configuration with secrets"
	// HoldsSettings is configuration without one.
	HoldsSettings Holds = "configuration"
)

// Original is a file of the user's.
type Original struct {
	Role pki.Role
	// Path is the user's own.
	Path  string
	Holds Holds
	Mode  fs.FileMode
	// Owner is the numeric user that it belongs to.
	Owner int
	// Secrets are the lines of a configuration that hold one.
	Secrets []agentconf.Secret
}

// hasClients says whether the configuration has one for clients.
func (s Source) hasClients() bool { return len(s.Configuration.Client.Files) > 0 }

// files are what agents of the role read.
func (s Source) files(role pki.Role) agentconf.Files {
	if role == pki.Client {
		return s.Configuration.Client.Files
	}
	return s.Configuration.Server.Files
}

// roles are those that the configuration has agents of.
func (s Source) roles() []pki.Role {
	if s.hasClients() {
		return []pki.Role{pki.Server, pki.Client}
	}
	return []pki.Role{pki.Server}
}
