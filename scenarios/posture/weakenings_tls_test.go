package posture_test

import (
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// roles are whose configuration a line is changed in: servers and clients have one each.
func roles() []pki.Role { return []pki.Role{pki.Server, pki.Client} }

// set is a weakening by one line of the agents of a role. The path is as lab.Setting has it, and the block in which the
// line stands is how a reader sees it.
func set(role pki.Role, id, path, value string, breaks ...string) weakening {
	return weakening{
		id:     fmt.Sprintf("%s-%s", role, id),
		line:   fmt.Sprintf("`%s = %s` on %ss", path, value, role),
		spec:   []lab.Option{lab.Set(role, path, value)},
		breaks: breaks,
	}
}

// weakenedTLS are the lines of the tls block.
func weakenedTLS() []weakening {
	all := []weakening{
		set(pki.Server, "names-not-verified", "tls.verify_server_hostname", "false",
			"rpc-refuses-cli-certificate", "rpc-refuses-client-of-another-region", "rpc-refuses-certificate-without-role",
			"rpc-refuses-wildcard-certificate", "rpc-gives-root-keys-to-no-client", "rpc-gives-root-keys-to-no-other-region",
			"rpc-gives-evaluations-to-no-client", "raft-refuses-client-certificate",
			"raft-refuses-server-of-another-region", "raft-refuses-cli-certificate"),
		set(pki.Client, "names-not-verified", "tls.verify_server_hostname", "false", "client-takes-no-client-for-a-server"),
		set(pki.Server, "upgrade-mode", "tls.rpc_upgrade_mode", "true",
			"rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-plaintext-multiplex", "rpc-refuses-plaintext-streaming",
			"rpc-refuses-plaintext-multiplex-v2", "raft-refuses-plaintext",
			"raft-refuses-client-certificate", "raft-refuses-server-of-another-region"),
		{
			id: "plain-rpc", line: "`tls.rpc = false` on every agent",
			spec: []lab.Option{lab.Weaken(lab.NoRPCTLS)},
			breaks: []string{
				"wire-carries-no-rpc-in-clear", "rpc-refuses-plaintext-nomad-rpc", "rpc-refuses-plaintext-multiplex",
				"rpc-refuses-plaintext-streaming", "rpc-refuses-plaintext-multiplex-v2", "raft-refuses-plaintext",
				"client-takes-no-client-for-a-server",
			},
		},
		foreignAuthority(pki.Server, "server-https-refuses-foreign-certificate", "server-https-trusts-no-other-authority",
			"rpc-refuses-foreign-certificate", "rpc-trusts-no-other-authority", "raft-refuses-foreign-certificate"),
		foreignAuthority(pki.Client, "client-https-refuses-foreign-certificate", "client-https-trusts-no-other-authority"),
	}
	for _, role := range roles() {
		for _, w := range []weakening{
			set(role, "plain-http", "tls.http", "false", "https-refuses-plaintext", "wire-carries-no-http-in-clear"),
			set(role, "https-for-everybody", "tls.verify_https_client", "false",
				"https-refuses-no-certificate", "https-refuses-foreign-certificate"),
			set(role, "tls-10", "tls.tls_min_version", `"tls10"`, "https-refuses-tls-1.0", "https-refuses-tls-1.1"),
			set(role, "tls-11", "tls.tls_min_version", `"tls11"`, "https-refuses-tls-1.1"),
			set(role, "aes-128-cbc", "tls.tls_cipher_suites", withSuite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"), "https-refuses-aes-128-cbc"),
			set(role, "aes-256-cbc", "tls.tls_cipher_suites", withSuite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"), "https-refuses-aes-256-cbc"),
		} {
			all = append(all, w.at(role))
		}
	}
	return all
}

// foreignAuthority is a weakening by an authority more in the bundle of those that the agents of a role trust.
func foreignAuthority(role pki.Role, breaks ...string) weakening {
	return weakening{
		id: fmt.Sprintf("%s-foreign-authority", role), line: fmt.Sprintf("a second authority in `tls.ca_file` on %ss", role),
		spec: []lab.Option{lab.TrustForeign(role)}, breaks: breaks,
	}
}

// withSuite is a list of cipher suites: a sound one and this.
func withSuite(suite string) string {
	return fmt.Sprintf("%q", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,"+suite)
}

// at is the weakening of agents of a role, whose checks begin with it. What it does to servers it does to their RPC port
// as well, where there is a check for it.
func (w weakening) at(role pki.Role) weakening {
	var breaks []string
	for _, id := range w.breaks {
		breaks = append(breaks, string(role)+"-"+id)
		if role == pki.Server && alsoAtRPC(id) {
			breaks = append(breaks, "rpc"+id[len("https"):])
		}
	}
	w.breaks = breaks
	return w
}

// alsoAtRPC says whether the promise is made for the RPC port as well, and broken by the same line.
func alsoAtRPC(id string) bool {
	switch id {
	case "https-refuses-tls-1.0", "https-refuses-tls-1.1", "https-refuses-aes-128-cbc", "https-refuses-aes-256-cbc":
		return true
	default:
		return false
	}
}
