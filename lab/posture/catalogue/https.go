package catalogue

import (
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// getHealth asks for the agent's own health, which needs no ACL token (command/agent/agent_endpoint.go:667,
// HealthRequest; verified against Nomad 1.11.3).
func getHealth(as probe.Caller) probe.Probe { return probe.HTTPRequest(probe.Health(), as) }

// traceLevel is the log level at which an agent logs why its HTTP port refused a handshake
// (command/agent/http_stdlog.go:17).
const traceLevel = "TRACE"

// httpsCallers returns the checks of which callers pass the TLS handshake of the HTTP API.
func (i Ingredients) httpsCallers() []posture.Spec {
	return forBoth(func(pki.Role) []posture.Spec {
		return []posture.Spec{
			withProbes(posture.Spec{
				ID: "https-refuses-plaintext", Title: "HTTP port serves nothing without TLS",
				Kind: posture.Safe, Severity: posture.Critical,
				Settings: []string{tlsHTTP},
				Why:      "tls.http: without it tokens, variables and job files cross the network in the clear (verified against Nomad 1.11.3)",
				Want:     posture.Want{probe.Denied},
				Answer:   "Client sent an HTTP request to an HTTPS server.",
			}, always(probe.PlainHTTPRequest(probe.Health())), i.certificateCaller().sends(getHealth)),
			withProbes(posture.Spec{
				ID: "https-refuses-no-certificate", Title: "HTTP API refuses a caller without a certificate",
				Kind: posture.Safe, Severity: posture.Critical,
				Settings: []string{tlsVerifyHTTPS, tlsHTTP},
				Why:      "tls.verify_https_client: it is all that guards what the API serves without an ACL token, such as its metrics (nomad#19870)",
				Want:     posture.Want{probe.RefusedInHandshake},
				LogText:  "client didn't provide a certificate", LogLevel: traceLevel,
			}, i.callerOf(caller.None).sends(getHealth), i.certificateCaller().sends(getHealth)),
			withProbes(posture.Spec{
				ID: "https-refuses-foreign-certificate", Title: "HTTP API refuses a certificate of another authority, even with the right names",
				Kind: posture.Safe, Severity: posture.Critical,
				Settings: []string{tlsVerifyHTTPS, tlsAuthorities, tlsHTTP},
				Why:      "tls.ca_file with tls.verify_https_client: each authority that an agent trusts can make itself a certificate (helper/tlsutil/config.go:340)",
				Want:     posture.Want{probe.RefusedInHandshake},
				LogText:  "certificate signed by unknown authority", LogLevel: traceLevel,
			}, i.callerOf(caller.Foreign).sends(getHealth), i.callerOf(caller.Server).sends(getHealth)),
			i.trustsOnlyItsOwn(posture.Spec{
				ID: "https-trusts-no-other-authority", Title: "HTTP API asks for certificates of the cluster's own authorities and of no other",
				Kind: posture.Safe, Severity: posture.High,
				Settings: []string{tlsAuthorities, tlsHTTP},
				Why:      "tls.ca_file: a public or corporate authority in it lets in everyone to whom it issues a certificate; the agent names all that it trusts to each caller (RFC 8446, 4.2.4)",
			}, "https-refuses-no-certificate", i.certificateCaller(), getHealth),
		}
	})
}

// httpsVersions returns the checks of the versions and cipher suites of TLS that the HTTP API accepts.
func (i Ingredients) httpsVersions() []posture.Spec {
	return forBoth(func(pki.Role) []posture.Spec {
		return i.oldTLS("https", "HTTP API", traceLevel, i.certificateCaller(), getHealth)
	})
}
