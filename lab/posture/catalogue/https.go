package catalogue

import (
	"crypto/tls"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

// openPath is answered by every healthy agent to everybody whom TLS lets in: it needs no ACL token
// (command/agent/agent_endpoint.go, HealthRequest; verified against Nomad 1.11.3).
const openPath = "/v1/agent/health"

// opens asks for what needs no ACL token.
func opens(as probe.Caller) probe.Probe { return probe.HTTP(openPath, as) }

// httpsHandshake is who gets through the TLS handshake of the HTTP API.
func (i Ingredients) httpsHandshake() []posture.Spec {
	return forBoth(func(side) []posture.Spec {
		return []posture.Spec{
			tried(posture.Spec{
				ID: "https-refuses-no-certificate", Title: "HTTP API refuses whoever presents no certificate",
				Kind: posture.Safe, Severity: posture.Critical,
				Why:     "verify_https_client: mutual TLS is the only guard of what the API serves without an ACL token, such as its metrics (nomad#19870; helper/tlsutil/config.go, IncomingTLSConfig)",
				Want:    posture.Want{probe.RefusedInHandshake},
				LogText: "client didn't provide a certificate", LogLevel: "TRACE",
			}, i.as(party.None).does(opens), i.as(party.CLI).does(opens)),
			tried(posture.Spec{
				ID: "https-refuses-plaintext", Title: "HTTP API answers plain HTTP with a refusal, and HTTPS with what was asked for",
				Kind: posture.Safe, Severity: posture.Critical,
				Why:    "tls.http: else tokens and secrets cross the network in the clear (verified against Nomad 1.11.3)",
				Want:   posture.Want{probe.Denied},
				Answer: "Client sent an HTTP request to an HTTPS server.",
			}, anyway(probe.PlainHTTP(openPath)), i.as(party.CLI).does(opens)),
			tried(posture.Spec{
				ID: "https-refuses-tls-1.0", Title: "HTTP API refuses TLS 1.0",
				Kind: posture.Safe, Severity: posture.High,
				Why:     "RFC 8996 forbids TLS 1.0; tls_min_version (verified against Nomad 1.11.3)",
				Want:    posture.Want{probe.RefusedInHandshake},
				LogText: "unsupported versions", LogLevel: "TRACE",
			}, i.as(party.CLI).limited(upTo(tls.VersionTLS10)).does(opens), i.as(party.CLI).does(opens)),
		}
	})
}

// upTo caps a caller's TLS at the version.
func upTo(version uint16) func(probe.Caller) probe.Caller {
	return func(c probe.Caller) probe.Caller { return c.TLSAtMost(version) }
}
