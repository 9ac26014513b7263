package spec

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

// Of returns what the agents of the role read.
func (c *Configuration) Of(role pki.Role) AgentConfiguration {
	if role == pki.Client {
		return c.Client
	}
	return c.Server
}

// HandedIn reports whether the user has handed in certificates of their own. It is false for nil.
func (c *Configuration) HandedIn() bool {
	return c != nil && (c.Server.Credential != nil || c.Client.Credential != nil)
}

// StandIn returns why the certificates of a lab's agents of the role say nothing of the user's: none was handed in, and the
// lab's own stand in for them. Empty: they are the user's, or there is no configuration for that role.
func (c *Configuration) StandIn(role pki.Role) string {
	const certFile = "tls.cert_file"
	switch {
	case c == nil || len(c.Of(role).Files) == 0 || c.Of(role).Credential != nil:
		return ""
	case c.HandedIn() && c.Of(role).Files.Text(certFile) == "":
		return fmt.Sprintf("your %ss' configuration names no certificate (%s)", role, certFile)
	case c.HandedIn():
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
func (c *Configuration) GoString() string { return "spec.Configuration{…}" }
