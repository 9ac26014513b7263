package lab

import (
	"fmt"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// Configuration is what a user's own agents read. A lab whose Spec has one runs it in the place of its own: the names,
// settings and order are the user's, and what a lab cannot have of them is replaced and told of; see package fit.
//
// It holds what is secret, such as a gossip key, and is in no record, plan or report of the lab.
type Configuration struct {
	// Server is what each server reads. Required.
	Server AgentConfiguration
	// Client is what each client reads. Zero: the lab has no clients.
	Client AgentConfiguration
	// Authority is what has signed the certificates of both, where its key is at hand; checks let it sign wrong ones. Nil
	// where the certificates are the user's own and it is not. Not looked at where the lab issues the certificates.
	Authority *pki.Authority
	// CLI is the user's own credential, for the API. Nil: the lab issues one; or, where it cannot, calls as a server.
	CLI *pki.Credential
}

// AgentConfiguration is what the agents of one role read.
type AgentConfiguration struct {
	// Files are in the order in which Nomad merges them, by the names that the user knows them by.
	Files agentconf.Files
	// Credential is what stands at the paths of the tls block. Nil: what the lab issues.
	Credential *pki.Credential
}

// of is what the agents of the role read.
func (c *Configuration) of(role pki.Role) AgentConfiguration {
	if role == pki.Client {
		return c.Client
	}
	return c.Server
}

// handedIn says whether the user has certificates of their own.
func (c *Configuration) handedIn() bool {
	return c != nil && (c.Server.Credential != nil || c.Client.Credential != nil)
}

// standIn is Lab.StandIn.
func (c *Configuration) standIn(role pki.Role) string {
	const certFile = "tls.cert_file"
	switch {
	case c == nil || len(c.of(role).Files) == 0 || c.of(role).Credential != nil:
		return ""
	case c.handedIn() && c.of(role).Files.Text(certFile) == "":
		return fmt.Sprintf("your %ss' configuration names no certificate (%s)", role, certFile)
	case c.handedIn():
		return fmt.Sprintf("your %ss' certificate was not handed in, and one of the lab's own stood in for it: hand it in with --%s-tls-dir", role, role)
	case c.Server.Files.Text(certFile) == "" && c.Client.Files.Text(certFile) == "":
		return "your configuration names no certificate (tls.cert_file)"
	default:
		return "your certificates were not handed in, and the lab's own stood in for them: hand yours in with --tls-dir"
	}
}

// String keeps the secrets out of %v.
func (c *Configuration) String() string { return "a user's configuration" }

// GoString keeps them out of %#v.
func (c *Configuration) GoString() string { return "lab.Configuration{…}" }

// Sealed is a text that is not shown when what it is in is printed or written down.
type Sealed string

// String keeps it out of %v.
func (Sealed) String() string { return "…" }

// GoString keeps it out of %#v.
func (Sealed) GoString() string { return "…" }

// MarshalText keeps it out of JSON and YAML.
func (Sealed) MarshalText() ([]byte, error) { return []byte("…"), nil }
