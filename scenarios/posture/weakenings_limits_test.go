package posture_test

import "nomadlab.internal/lab/pki"

// weakenedLimits are the lines of the limits block.
func weakenedLimits() []weakening {
	all := []weakening{
		set(pki.Server, "rpc-no-time-limit", "limits.rpc_handshake_timeout", `"0s"`,
			"rpc-closes-silent-connections", "rpc-closes-unbegun-handshakes", "rpc-closes-half-handshakes"),
		set(pki.Server, "rpc-no-conn-limit", "limits.rpc_max_conns_per_client", "0", "rpc-limits-connections"),
	}
	for _, role := range roles() {
		for _, w := range []weakening{
			set(role, "no-time-limit", "limits.https_handshake_timeout", `"0s"`,
				"https-closes-silent-connections", "https-closes-half-handshakes", "https-closes-slow-requests"),
			set(role, "no-conn-limit", "limits.http_max_conns_per_client", "0", "https-limits-connections"),
		} {
			all = append(all, w.at(role))
		}
	}
	return all
}
