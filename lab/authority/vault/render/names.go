// Package render returns the texts that a node needs to get its certificates from Vault with consul-template: templates,
// configuration of consul-template, and the configuration of the Vault server. Its functions are pure: they reach no disk, no
// network and no clock, and see no secret.
package render

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
)

// The mounts, role and policy of HashiCorp's published guide.
const (
	// RootMount is the secrets engine of the root authority.
	RootMount = "pki"
	// IntermediateMount is the secrets engine of the authority that signs the agents' certificates.
	IntermediateMount = "pki_int"
	// PublishedRole is the only role of the published guide.
	PublishedRole = "nomad-cluster"
	// PublishedPolicy is the only policy of the published guide.
	PublishedPolicy = "tls-policy"
)

// How long things last where nothing else is said, as in the published guide.
const (
	// DefaultTTL is the life of an agent's certificate.
	DefaultTTL = 24 * time.Hour
	// TokenTTL is the life of a node's token.
	TokenTTL = 24 * time.Hour
	// MinTTL is the shortest life of a certificate. consul-template asks for a new one after nine tenths of it, and signals the
	// agent; an agent that is signalled before it is ready ends with exit code 129 (verified against Nomad 1.11.3).
	MinTTL = time.Minute
)

// Node is what the texts of one node depend on. The zero Node has no role and no folders; every field without "Zero:" is
// required.
type Node struct {
	// Identity is the identity in the node's certificate.
	Identity pki.Identity
	// Published asks for the texts of the published guide, without the lines that no longer work. Zero: the safe texts.
	Published bool
	// Folder holds the node's templates and certificates. The guide has /opt/nomad.
	Folder string
	// ConfigFolder holds consul-template's configuration and token, and nothing else: consul-template reads every file in it.
	// The guide has /etc/consul-template.d.
	ConfigFolder string
	// Address is the URL of Vault.
	Address string
	// VaultCA is the file with the authority of Vault's own certificate. Zero: the system's authorities; http has none.
	VaultCA string
	// Command starts the agent.
	Command []string
	// TTL is the life of a certificate. Zero: DefaultTTL.
	TTL time.Duration
}

// Role returns the name of the Vault role that issues certificates for an identity: the published guide has one role for all, a
// safe Vault one for each role and region of Nomad, named as `nomad tls` names files, such as "global-client-nomad".
func Role(id pki.Identity, published bool) string {
	if published {
		return PublishedRole
	}
	return id.FileStem()
}

// Policy returns the name of the policy that lets a token use Role.
func Policy(id pki.Identity, published bool) string {
	if published {
		return PublishedPolicy
	}
	return id.FileStem() + "-tls"
}

// The names of a node's files.
const (
	configFile = "consul-template.hcl"
	tokenFile  = "token.hcl"
	// bundleFile holds, in the safe form, certificate, intermediate and key, so that consul-template replaces all at once.
	bundleFile = "agent.pem"
	certFile   = "agent.crt"
	keyFile    = "agent.key"
	caFile     = "ca.crt"
)

// TemplateFolder returns the folder of the templates' sources.
func (n Node) TemplateFolder() string { return path.Join(n.Folder, "templates") }

// CertFolder returns the folder into which the agent's certificate, key and authority are rendered.
func (n Node) CertFolder() string { return path.Join(n.Folder, "agent-certs") }

// UserCertFolder returns the folder into which the published guide renders a certificate for the CLI. The safe form leaves it
// out: an agent does not need it, and a client's node would hold what its own role does not give.
func (n Node) UserCertFolder() string { return path.Join(n.Folder, "cli-certs") }

// CertFile returns the path for cert_file in the agent's tls block.
func (n Node) CertFile() string { return path.Join(n.CertFolder(), n.choose(certFile, bundleFile)) }

// KeyFile returns the path for key_file in the agent's tls block. In the safe form it is CertFile: Nomad reads a file with the
// certificate first and the key after it, and not the other order (verified against Nomad 1.11.3; nomad#27660).
func (n Node) KeyFile() string { return path.Join(n.CertFolder(), n.choose(keyFile, bundleFile)) }

// CAFile returns the path for ca_file in the agent's tls block.
func (n Node) CAFile() string { return path.Join(n.CertFolder(), caFile) }

// ConfigFile returns the path of consul-template's configuration.
func (n Node) ConfigFile() string { return path.Join(n.ConfigFolder, configFile) }

// TokenFile returns the path of the file for Token. Its mode must be 0600.
func (n Node) TokenFile() string { return path.Join(n.ConfigFolder, tokenFile) }

// Supervisor returns the node's command: consul-template, at that path, which renders the certificate and then runs Command.
func (n Node) Supervisor(consulTemplate string) []string {
	return []string{consulTemplate, "-config", n.ConfigFolder}
}

func (n Node) choose(published, safe string) string {
	if n.Published {
		return published
	}
	return safe
}

// issuePath returns the path in Vault at which the node asks for its certificate.
func (n Node) issuePath() string {
	return IntermediateMount + "/issue/" + Role(n.Identity, n.Published)
}

// Parameters returns what the node's certificate is asked for with, in a fixed order, in the form key=value of Vault's CLI and of
// consul-template.
func (n Node) Parameters() []string {
	names, ips := AlternativeNames(n.Identity), Addresses(n.Identity)
	if n.Published {
		names, ips = []string{"localhost"}, []string{"127.0.0.1"}
	}
	out := []string{"common_name=" + n.Identity.Name(), "ttl=" + Duration(cmp.Or(n.TTL, DefaultTTL))}
	if len(names) > 0 {
		out = append(out, "alt_names="+strings.Join(names, ","))
	}
	if len(ips) > 0 {
		out = append(out, "ip_sans="+strings.Join(ips, ","))
	}
	return out
}

// AlternativeNames returns the DNS names of an identity's certificate beside its own name: localhost and the identity's further
// names, each once.
func AlternativeNames(id pki.Identity) []string {
	var out []string
	for _, name := range slices.Concat([]string{"localhost"}, id.DNSNames) {
		same := func(have string) bool { return strings.EqualFold(have, name) }
		if !strings.EqualFold(name, id.Name()) && !slices.ContainsFunc(out, same) {
			out = append(out, name)
		}
	}
	return out
}

// Addresses returns the addresses of an identity's certificate, each once: 127.0.0.1, but not for the CLI, as `nomad tls` does,
// and the identity's further addresses.
func Addresses(id pki.Identity) []string {
	var out []string
	if id.Role != pki.CLI {
		out = append(out, "127.0.0.1")
	}
	for _, ip := range id.IPs {
		if text := ip.Unmap().String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// Duration returns a duration as the published guide writes them: in hours if there are only hours, else in seconds.
func Duration(d time.Duration) string {
	if d > 0 && d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
