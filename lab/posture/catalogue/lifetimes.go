package catalogue

import "nomadlab.internal/lab/posture"

// lifetime says for which releases of Nomad a check is.
type lifetime struct{ since, until, because string }

// lifetimes returns the checks that are not for every version of Nomad, by ID. A check that is not among them is for all.
func lifetimes() map[string]lifetime {
	introduction := lifetime{since: "1.11.0", because: "a version before it lets any client with a certificate register, and knows no introduction"}
	return map[string]lifetime{
		"server-lets-no-client-register-without-introduction": introduction,
		"introduction-tokens-live-an-hour-at-most":            introduction,
		"server-demands-introductions":                        introduction,
		"server-introduces-for-an-hour-at-most":               introduction,
		"workload-identity-may-not-read-agents": {
			since: "1.11.1", because: "the agent of a version before it takes a workload's identity for a token's secret, and answers it with an error (command/agent/http.go, ResolveToken)",
		},
	}
}

// withLifetime fills in for which releases of Nomad the check is.
func withLifetime(s posture.Spec, all map[string]lifetime) posture.Spec {
	if l, bounded := all[s.ID]; bounded {
		s.Since, s.Until, s.Bound = l.since, l.until, l.because
	}
	return s
}
