package regress

import (
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// tlsMutations are of the tls block.
func tlsMutations() []Mutation {
	all := []Mutation{
		setLine("plain-rpc", "", "tls.rpc", "false"),
		onOneServer("plain-rpc", "tls.rpc", "false"),
		onOneServer("plain-http", "tls.http", "false"),
		onOneServer("https-for-everybody", "tls.verify_https_client", "false"),
		onOneServer("names-not-verified", "tls.verify_server_hostname", "false"),
		onOneServer("upgrade-mode", "tls.rpc_upgrade_mode", "true"),
		onOneServer("tls-10", "tls.tls_min_version", `"tls10"`),
		setLine("upgrade-mode", pki.Server, "tls.rpc_upgrade_mode", "true"),
	}
	return append(all, forBoth(func(role pki.Role) []Mutation {
		return []Mutation{
			setLine("plain-http", role, "tls.http", "false"),
			setLine("https-for-everybody", role, "tls.verify_https_client", "false"),
			setLine("names-not-verified", role, "tls.verify_server_hostname", "false"),
			setLine("tls-10", role, "tls.tls_min_version", `"tls10"`),
			setLine("tls-11", role, "tls.tls_min_version", `"tls11"`),
			setLine("aes-128-cbc", role, "tls.tls_cipher_suites", withSuite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA")),
			setLine("aes-256-cbc", role, "tls.tls_cipher_suites", withSuite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA")),
		}
	})...)
}

// withSuite is a list of cipher suites: a sound one and this.
func withSuite(suite string) string {
	return fmt.Sprintf("%q", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,"+suite)
}

// limitMutations are of the limits block.
func limitMutations() []Mutation {
	return append([]Mutation{
		setLine("no-rpc-time-limit", pki.Server, "limits.rpc_handshake_timeout", `"0s"`),
		setLine("no-rpc-conn-limit", pki.Server, "limits.rpc_max_conns_per_client", "0"),
		onOneServer("no-rpc-conn-limit", "limits.rpc_max_conns_per_client", "0"),
	}, forBoth(func(role pki.Role) []Mutation {
		return []Mutation{
			setLine("no-https-time-limit", role, "limits.https_handshake_timeout", `"0s"`),
			setLine("no-https-conn-limit", role, "limits.http_max_conns_per_client", "0"),
		}
	})...)
}

// httpMutations are of what the HTTP API's answers give leave for, and of what else it answers.
func httpMutations() []Mutation {
	return append([]Mutation{
		setLine("host-metrics", pki.Client, "telemetry.publish_node_metrics", "true"),
		onOneServer("profiler", "enable_debug", "true"),
	}, forBoth(func(role pki.Role) []Mutation {
		header := func(id, name, value string) Mutation {
			return setLine(id, role, "http_api_response_headers."+name, value)
		}
		return []Mutation{
			setLine("profiler", role, "enable_debug", "true"),
			header("other-sites", "Access-Control-Allow-Origin", `"*"`),
			header("methods", "Access-Control-Allow-Methods", `"GET, PUT, POST, DELETE"`),
			header("tokens", "Access-Control-Allow-Headers", `"X-Nomad-Token"`),
			header("private-network", "Access-Control-Allow-Private-Network", `"true"`),
			header("shared-cache", "Cache-Control", `"public, max-age=3600"`),
		}
	})...)
}

// gossipMutations are of the servers' gossip and of how they find each other.
func gossipMutations() []Mutation {
	return []Mutation{
		takeOut("no-gossip-key", pki.Server, "server.encrypt"),
		setLine("documented-gossip-key", pki.Server, "server.encrypt", fmt.Sprintf("%q", catalogue.DocumentedGossipKey)),
		setLine("short-gossip-key", pki.Server, "server.encrypt", `"c2l4dGVlbiBieXRlcyAuLg=="`),
		onOneServer("other-gossip-key", "server.encrypt", fmt.Sprintf("%q", catalogue.DocumentedGossipKey)),
		{
			ID: "each-server-on-its-own", Line: "server.bootstrap_expect = 1 on servers", Settings: []string{"server.bootstrap_expect"},
			mutate: func(v *variant) string {
				if v.source.Servers < 2 {
					return "there is one server"
				}
				return v.set(lab.Setting{Role: pki.Server, Path: "server.bootstrap_expect", Value: "1"})
			},
		},
		onOneServer("bootstraps-alone", "server.bootstrap_expect", "1"),
	}
}

// aclMutations are of rights, and of who is let in as a client.
func aclMutations() []Mutation {
	return []Mutation{
		setLine("no-acl", "", "acl.enabled", "false"),
		setLine("no-acl", pki.Server, "acl.enabled", "false"),
		setLine("no-acl", pki.Client, "acl.enabled", "false"),
		onOneServer("no-acl", "acl.enabled", "false"),
		setLine("introduction-warn", pki.Server, "server.client_introduction.enforcement", `"warn"`),
		setLine("introduction-none", pki.Server, "server.client_introduction.enforcement", `"none"`),
		setLine("introduction-life", pki.Server, "server.client_introduction.max_identity_ttl", `"8760h"`),
		setLine("token-life", pki.Server, "acl.token_max_expiration_ttl", `"87600h"`),
		setLine("root-key", pki.Server, "server.root_key_rotation_threshold", `"87600h"`),
		setLine("token-memory", pki.Client, "acl.token_ttl", `"24h"`),
		setLine("policy-memory", pki.Client, "acl.policy_ttl", `"24h"`),
	}
}

// clientMutations are of what a job may do to its client.
func clientMutations() []Mutation {
	return []Mutation{
		setLine("raw-exec", pki.Client, "plugin.raw_exec.config.enabled", "true"),
		setLine("template-sandbox", pki.Client, "client.template.disable_file_sandbox", "true"),
		setLine("template-functions", pki.Client, "client.template.function_denylist", `["executeTemplate"]`),
		setLine("artifact-isolation", pki.Client, "client.artifact.disable_filesystem_isolation", "true"),
		setLine("artifact-inspection", pki.Client, "client.artifact.disable_artifact_inspection", "true"),
		setLine("artifact-environment", pki.Client, "client.artifact.set_environment_variables", `"AWS_SECRET_ACCESS_KEY"`),
	}
}
