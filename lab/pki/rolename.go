package pki

import (
	"slices"
	"strings"
)

// RoleName is what Nomad reads from a name such as server.global.nomad. Role is in small letters; Region keeps its
// letters.
type RoleName struct {
	Role, Region string
	// LetsIn is true where servers accept the name as a peer's: role and domain are in small letters
	// (nomad/server.go:645).
	LetsIn bool
}

// ParseRoleName parses a name such as server.global.nomad. is is false for a name of another form. Everything between
// the first and the last label is the region: a server's RPC port takes server.x.global.nomad for a server of another
// region (nomad/server.go:645; verified against Nomad 1.11.3). Capitals do not matter when a caller verifies an
// agent's name (crypto/x509, VerifyHostname), but a server forwards a request whose region differs in any letter
// (nomad/rpc.go:593).
func ParseRoleName(name string) (r RoleName, is bool) {
	written, rest, _ := strings.Cut(name, ".")
	role := strings.ToLower(written)
	const domain = ".nomad"
	at := len(rest) - len(domain)
	if at < 0 || !strings.EqualFold(rest[at:], domain) || !slices.Contains([]string{string(Server), string(Client), string(CLI)}, role) {
		return RoleName{}, false
	}
	return RoleName{Role: role, Region: rest[:at], LetsIn: role == written && rest[at:] == domain}, true
}

// InRegion reports whether the name is of the region, ignoring case.
func (r RoleName) InRegion(region string) bool { return strings.EqualFold(r.Region, region) }
