// Package pki issues the certificates of a lab: who may sign (Authority), who a
// certificate speaks for (Identity), and what one caller holds (Credential).
//
// A sound credential is what `nomad tls cert create` gives (Nomad 1.11.3,
// command/tls_cert_create.go:292 and helper/tlsutil/generate.go): an ECDSA P-256
// leaf named <role>.<region>.nomad, for server and client authentication.
// Nomad reads the role and the region from that name, in the common name or in
// any DNS name (nomad/server.go:630), so the name is the permission.
//
// A wrong certificate is asked for in one of two ways. The wrong role or the
// wrong region is simply another Identity: issue Identity{Role: CLI} and present
// it where a server's is wanted. Everything else is a Defect: one thing wrong with
// a certificate that would have been right, so that a refusal has one cause.
//
// Nomad knows no revocation (nomad#4900): a leaked credential stays good until it
// expires or its authority leaves the trust bundles. Hence the short lives here.
//
// No value of this package prints a private key; see Credential for the limits.
package pki
