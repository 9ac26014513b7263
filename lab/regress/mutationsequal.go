package regress

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
)

// equivalentMutations are changes that look like weakenings and are none. They are carried out like all others: that
// every check sees the very same is their proof.
func equivalentMutations() []Mutation {
	return []Mutation{
		overlaid(),
		defaulted("tls.tls_min_version", `"tls12"`, "tls12 is what is taken where nothing is said (helper/tlsutil/config.go:454)"),
		defaulted("tls.rpc_upgrade_mode", "false", "it is off where nothing is said (nomad/structs/config/tls.go:53)"),
		defaulted("enable_debug", "false", "it is off where nothing is said (command/agent/config.go:92 and :1895)"),
		defaulted("limits.https_handshake_timeout", `"5s"`, "5s is what is taken where nothing is said (nomad/structs/config/limits.go:52)"),
		defaulted("limits.http_max_conns_per_client", "100", "100 is what is taken where nothing is said (nomad/structs/config/limits.go:53)"),
		defaulted("limits.rpc_handshake_timeout", `"5s"`, "5s is what is taken where nothing is said (nomad/structs/config/limits.go:54)"),
		defaulted("limits.rpc_max_conns_per_client", "100", "100 is what is taken where nothing is said (nomad/structs/config/limits.go:55)"),
		defaulted("plugin.raw_exec.config.enabled", "false", "it is off where nothing is said (drivers/rawexec/driver.go:84-87)"),
		defaulted("acl.token_ttl", `"30s"`, "30s is what is taken where nothing is said (command/agent/config.go:1795-1796)"),
		defaulted("acl.policy_ttl", `"30s"`, "30s is what is taken where nothing is said (command/agent/config.go:1795-1796)"),
	}
}

// defaulted takes lines out that say what Nomad does anyway.
func defaulted(path, value, because string) Mutation {
	return Mutation{
		ID: "default-" + path, Line: fmt.Sprintf("no %s = %s", path, value), Settings: []string{path}, Equivalent: because,
		mutate: func(v *variant) string {
			for _, role := range v.source.roles() {
				files := v.source.files(role)
				if len(files.Lookup(path)) > 0 && is(files, path, value) {
					v.settings = append(v.settings, lab.Setting{Role: role, Path: path})
				}
			}
			if len(v.settings) == 0 {
				return fmt.Sprintf("%s = %s stands nowhere", path, value)
			}
			return ""
		},
	}
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
