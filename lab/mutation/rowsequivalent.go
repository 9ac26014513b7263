package mutation

// equivalentRows returns the equivalent mutations. `nomadlab mutate` carries them out: their proof is that every
// check has the same result.
func equivalentRows() []Mutation {
	return []Mutation{
		overlay(),
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

// defaulted returns a mutation that removes lines with Nomad's default value.
func defaulted(path, value, because string) Mutation {
	return Mutation{
		ID: "default-" + path, Scope: Cluster, Change: "no " + path + " = " + value, Settings: []string{path}, Equivalent: because,
		Lines: []Line{{Path: path, Was: value}},
	}
}

// overlay returns a mutation by a last file that says false wherever a protection is on. It switches nothing off.
func overlay() Mutation {
	return Mutation{
		ID: "overlay-of-false", Scope: Cluster, Change: "a last file with tls { http = rpc = verify_* = false } and acl { enabled = false }",
		Settings:   []string{"tls.http", "tls.rpc", "tls.verify_server_hostname", "tls.verify_https_client", aclEnabled},
		Equivalent: "booleans of several files are ORed, so that a false takes no true back (nomad/structs/config/tls.go:190-214, command/agent/config.go:2469)",
		Overlay: `# A file that comes last, and would take the protections back.
tls {
  http                   = false
  rpc                    = false
  verify_server_hostname = false
  verify_https_client    = false
}
acl { enabled = false }
`,
	}
}
