package spec

import (
	"fmt"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// Configuration is a user configuration: what the user's own agents read. A lab whose Spec has one runs it instead of the
// lab's own configuration. Names, settings and order stay the user's; package fit replaces and lists what a lab cannot
// have.
//
// It contains secrets, such as a gossip key. No record, plan or report of the lab contains it.
type Configuration struct {
	// Server is what each server reads. Required.
	Server AgentConfiguration
	// Client is what each client reads. Zero: the lab has no clients.
	Client AgentConfiguration
	// Authority has signed the certificates of both roles; checks use it to issue wrong ones. Nil if the certificates are
	// the user's and the key of their authority is not at hand. It is ignored if the lab issues the certificates.
	Authority *pki.Authority
	// CLI is the user's own credential for the API. Nil: the lab issues one or, if it cannot, uses a server's.
	CLI *pki.Credential
	// LeaveOutUnknown leaves out what the Nomad that the Spec names does not know yet, and lists it. Zero: such a Nomad refuses it.
	LeaveOutUnknown bool
}

// AgentConfiguration is the configuration of the agents of one role.
type AgentConfiguration struct {
	// Files are in the order in which Nomad merges them, with the names that the user knows.
	Files agentconf.Files
	// Credential is for the paths of the tls block. Nil: the lab issues one.
	Credential *pki.Credential
}

// Of returns the configuration of the agents of the role.
func (c *Configuration) Of(role pki.Role) AgentConfiguration {
	if role == pki.Client {
		return c.Client
	}
	return c.Server
}

// HasCredentials reports whether the user's own certificates came with the configuration. It is false for nil.
func (c *Configuration) HasCredentials() bool {
	return c != nil && (c.Server.Credential != nil || c.Client.Credential != nil)
}

// StandIn returns why the certificates of the agents of the role are the lab's and not the user's. It is empty if they
// are the user's, or if the role has no configuration.
func (c *Configuration) StandIn(role pki.Role) string {
	const certFile = "tls.cert_file"
	switch {
	case c == nil || len(c.Of(role).Files) == 0 || c.Of(role).Credential != nil:
		return ""
	case c.HasCredentials() && c.Of(role).Files.Text(certFile) == "":
		return fmt.Sprintf("your %ss' configuration names no certificate (%s)", role, certFile)
	case c.HasCredentials():
		return fmt.Sprintf("you gave no certificate of your %ss, so one of the lab's own was used: give it with --%s-tls-dir", role, role)
	case c.Server.Files.Text(certFile) == "" && c.Client.Files.Text(certFile) == "":
		return "your configuration names no certificate (tls.cert_file)"
	default:
		return "you gave no certificates, so the lab's own were used: give yours with --tls-dir"
	}
}

// String keeps the secrets out of %v.
func (c *Configuration) String() string { return "a user's configuration" }

// GoString keeps them out of %#v.
func (c *Configuration) GoString() string { return "spec.Configuration{…}" }
