package mutation

import (
	"fmt"

	"nomadlab.internal/lab/pki"
)

// Settings that several families change.
const (
	serverEncrypt = "server.encrypt"
	serverExpect  = "server.bootstrap_expect"
	aclEnabled    = "acl.enabled"
	certFile      = "tls.cert_file"
	caFile        = "tls.ca_file"
	keyFile       = "tls.key_file"
)

// tlsRows returns the mutations of the tls block.
func tlsRows() []Mutation {
	namesNotVerified := setLine(pki.Server, "names-not-verified", "tls.verify_server_hostname", "false").everywhere()
	namesNotVerified.Matrix = true
	all := []Mutation{
		setLineOfAll("plain-rpc", "tls.rpc", "false"),
		setLine(pki.Server, "plain-rpc", "tls.rpc", "false").cutsOff(),
		setLine(pki.Client, "plain-rpc", "tls.rpc", "false").cutsOff(),
		namesNotVerified,
		setLine(pki.Client, "names-not-verified", "tls.verify_server_hostname", "false"),
		setLine(pki.Server, "upgrade-mode", "tls.rpc_upgrade_mode", "true").everywhere(),
	}
	return append(all, forBoth(func(role pki.Role) []Mutation {
		everybody := setLine(role, "https-for-everybody", "tls.verify_https_client", "false")
		if role == pki.Server {
			everybody.Everywhere, everybody.Matrix = true, true
		}
		return []Mutation{
			setLine(role, "plain-http", "tls.http", "false"),
			everybody,
			setLine(role, "tls-10", "tls.tls_min_version", `"tls10"`),
			setLine(role, "tls-11", "tls.tls_min_version", `"tls11"`),
			setLine(role, "aes-128-cbc", "tls.tls_cipher_suites", withSuite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA")),
			setLine(role, "aes-256-cbc", "tls.tls_cipher_suites", withSuite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA")),
			withoutForwardSecrecy(role),
			{
				ID: string(role) + "-foreign-authority", Scope: Agent, Role: role, Change: "a second authority in tls.ca_file",
				Settings: []string{caFile}, ForeignTrust: true,
			},
		}
	})...)
}

// withSuite returns a list of cipher suites: a sound one and this one.
func withSuite(suite string) string {
	return fmt.Sprintf("%q", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,"+suite)
}

// withoutForwardSecrecy returns a mutation by suites that need an RSA key, and by such a key, which is short, as a
// lab makes no other RSA keys.
func withoutForwardSecrecy(role pki.Role) Mutation {
	m := setLine(role, "rsa-key-exchange", "tls.tls_cipher_suites", fmt.Sprintf("%q", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_GCM_SHA256"))
	m.Change += ", with an RSA key"
	m.Settings = append(m.Settings, certFile)
	m.Certificate = &CertificateDefect{Defect: pki.WeakKey().Name()}
	return m
}

// limitRows returns the mutations of the limits block.
func limitRows() []Mutation {
	return append([]Mutation{
		setLine(pki.Server, "no-rpc-time-limit", "limits.rpc_handshake_timeout", `"0s"`),
		setLine(pki.Server, "no-rpc-conn-limit", "limits.rpc_max_conns_per_client", "0"),
	}, forBoth(func(role pki.Role) []Mutation {
		return []Mutation{
			setLine(role, "no-https-time-limit", "limits.https_handshake_timeout", `"0s"`),
			setLine(role, "no-https-conn-limit", "limits.http_max_conns_per_client", "0"),
		}
	})...)
}

// httpRows returns the mutations of the headers of the HTTP API's answers, and of what else it serves.
func httpRows() []Mutation {
	return append([]Mutation{
		setLine(pki.Client, "host-metrics", "telemetry.publish_node_metrics", "true"),
	}, forBoth(func(role pki.Role) []Mutation {
		header := func(id, name, value string) Mutation {
			return setLine(role, id, "http_api_response_headers."+name, value)
		}
		return []Mutation{
			setLine(role, "profiler", "enable_debug", "true"),
			header("other-sites", "Access-Control-Allow-Origin", `"*"`),
			header("methods", "Access-Control-Allow-Methods", `"GET, PUT, POST, DELETE"`),
			header("tokens", "Access-Control-Allow-Headers", `"X-Nomad-Token"`),
			header("private-network", "Access-Control-Allow-Private-Network", `"true"`),
			header("shared-cache", "Cache-Control", `"public, max-age=3600"`),
		}
	})...)
}
