// Package catalogue holds all checks. Each is for a protection that a hardened Nomad cluster has and that one line of
// its configuration can switch off. Protections that no configuration can switch off, such as that RPC refuses an
// expired certificate, are not here: such a check could not fail.
//
// Each family of checks is a file. Where servers and clients are configured separately, such as their HTTP API, there
// is a check for each, and the role begins its ID.
package catalogue
