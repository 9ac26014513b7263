package regress

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// equivalentMutations are changes that look like weakenings and are none. They are carried out like all others: that
// every check sees the very same is their proof.
func equivalentMutations() []Mutation {
	return append([]Mutation{overlaid()}, slices.Concat(
		defaulted("tls.tls_min_version", `"tls12"`, "tls12 is what is taken where nothing is said (helper/tlsutil/config.go:454)", roles()...),
		defaulted("tls.rpc_upgrade_mode", "false", "it is off where nothing is said (nomad/structs/config/tls.go:53)", pki.Server),
		defaulted("enable_debug", "false", "it is off where nothing is said (command/agent/config.go:92 and :1895)", roles()...),
		defaulted("limits.https_handshake_timeout", `"5s"`, "5s is what is taken where nothing is said (nomad/structs/config/limits.go:52)", roles()...),
		defaulted("limits.http_max_conns_per_client", "100", "100 is what is taken where nothing is said (nomad/structs/config/limits.go:53)", roles()...),
		defaulted("limits.rpc_handshake_timeout", `"5s"`, "5s is what is taken where nothing is said (nomad/structs/config/limits.go:54)", pki.Server),
		defaulted("limits.rpc_max_conns_per_client", "100", "100 is what is taken where nothing is said (nomad/structs/config/limits.go:55)", pki.Server),
		defaulted("plugin.raw_exec.config.enabled", "false", "it is off where nothing is said (drivers/rawexec/driver.go:84-87)", pki.Client),
		defaulted("acl.token_ttl", `"30s"`, "30s is what is taken where nothing is said (command/agent/config.go:1795-1796)", pki.Client),
		defaulted("acl.policy_ttl", `"30s"`, "30s is what is taken where nothing is said (command/agent/config.go:1795-1796)", pki.Client),
	)...)
}

// defaulted takes lines out that say what Nomad does anyway.
func defaulted(path, value, because string, of ...pki.Role) []Mutation {
	var all []Mutation
	for _, role := range of {
		m := takeOut(fmt.Sprintf("%s-default-%s", role, path), role, path)
		m.Equivalent = because
		inner := m.mutate
		m.mutate = func(v *variant) string {
			if lacks := inner(v); lacks != "" {
				return lacks
			}
			if !is(v.source.files(role), path, value) {
				return fmt.Sprintf("%s is not %s", path, value)
			}
			return ""
		}
		all = append(all, m)
	}
	return all
}

// overlaid adds a file that comes last and says false wherever a protection is on. It takes nothing back.
func overlaid() Mutation {
	const text = `# A file that comes last, and would take the protections back.
tls {
  http                   = false
  rpc                    = false
  verify_server_hostname = false
  verify_https_client    = false
}
acl { enabled = false }
`
	return Mutation{
		ID: "overlay-of-false", Line: "a last file with tls { http = rpc = verify_* = false } and acl { enabled = false }",
		Settings:   []string{"tls.http", "tls.rpc", "tls.verify_server_hostname", "tls.verify_https_client", "acl.enabled"},
		Equivalent: "booleans of several files are ORed, so that a false takes no true back (nomad/structs/config/tls.go:190-214, command/agent/config.go:2469)",
		mutate: func(v *variant) string {
			c := *v.source.Configuration
			add := func(files agentconf.Files) agentconf.Files {
				return append(slices.Clone(files), agentconf.File{Name: "zz-overlay.hcl", Text: []byte(text)})
			}
			c.Server = lab.AgentConfiguration{Files: add(c.Server.Files), Credential: c.Server.Credential}
			if v.source.hasClients() {
				c.Client = lab.AgentConfiguration{Files: add(c.Client.Files), Credential: c.Client.Credential}
			}
			v.source.Configuration = &c
			return ""
		},
	}
}
