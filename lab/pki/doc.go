// Package pki issues the certificates of a lab. An Authority signs, an Identity is
// whom a certificate speaks for, and a Credential is what its holder has.
//
// A credential without defects is what `nomad tls cert create` gives (Nomad 1.11.3,
// command/tls_cert_create.go:292 and helper/tlsutil/generate.go): an ECDSA P-256
// leaf named <role>.<region>.nomad, for server and client authentication.
// Nomad reads the role and the region from that name, in the common name or in
// any DNS name (nomad/server.go:630), so the name is the permission.
//
// There are two kinds of wrong certificate. A wrong role or region is another
// Identity: issue Identity{Role: CLI} and present it where a server's certificate is
// wanted. Everything else is a Defect: one thing wrong with an otherwise right
// certificate, so that a refusal has one cause.
//
// Nomad has no revocation (nomad#4900): a leaked credential stays valid until it
// expires or its authority is no longer trusted. Certificates are therefore short-lived.
//
// No value of this package prints a private key; see Credential for the exceptions.
package pki
