package pki

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Role is the role of an agent or a user, as Nomad spells it in the names of
// certificates. Validate refuses the zero Role.
type Role string

// The roles that `nomad tls cert create` knows.
const (
	// Server may speak Raft and call server-only RPC in its own region, and
	// ordinary RPC in every region (nomad/server.go:647, nomad/rpc.go:919).
	// It outranks every ACL token: Keyring.Get answers it with root keys.
	Server Role = "server"
	// Client may call the RPC of the servers in its own region.
	Client Role = "client"
	// CLI may use the HTTP API only: RPC refuses it if
	// verify_server_hostname is on (verified against Nomad 1.11.3).
	CLI Role = "cli"
)

// DefaultRegion is the region of an Identity whose Region is empty, as in Nomad.
const DefaultRegion = "global"

const (
	localhostName = "localhost"
	nomadDomain   = "nomad"
)

// Identity is whom a certificate speaks for. It is a plain value; Validate refuses
// the zero Identity, which has no role.
type Identity struct {
	// Role is required.
	Role Role
	// Region is one label of a DNS name; capitals and underscores are allowed, as in Nomad. Zero: DefaultRegion.
	Region string
	// DNSNames are further names, beside the role's own and localhost. A leading "*."
	// is allowed. Nomad takes a role from any DNS name, so a client with
	// server.global.nomad among these is a server (nomad/server.go:634).
	DNSNames []string
	// IPs are further addresses, beside 127.0.0.1, without zones.
	IPs []netip.Addr
}

// Name returns the TLS name with role and region, e.g. "server.global.nomad", for
// which peers verify the certificate.
func (i Identity) Name() string {
	return fmt.Sprintf("%s.%s.%s", i.Role, i.region(), nomadDomain)
}

// FileStem returns the beginning of the names of the identity's files, as `nomad tls
// cert create` names them, e.g. "global-server-nomad".
func (i Identity) FileStem() string {
	return fmt.Sprintf("%s-%s-%s", i.region(), i.Role, nomadDomain)
}

// CertFile returns the name, without folder, of the identity's certificate file, e.g.
// "global-server-nomad.pem".
func (i Identity) CertFile() string { return i.FileStem() + ".pem" }

// KeyFile returns the name, without folder, of the identity's private key file, e.g.
// "global-server-nomad-key.pem".
func (i Identity) KeyFile() string { return i.FileStem() + "-key.pem" }

// String returns Name.
func (i Identity) String() string { return i.Name() }

// Validate returns an error that lists every fault: an unknown role, a region that is
// not one label of a DNS name, a name that is not a DNS name, an invalid address. It
// returns nil for an identity for which an authority without name constraints would
// issue.
func (i Identity) Validate() error {
	var faults []error
	switch i.Role {
	case Server, Client, CLI:
	default:
		faults = append(faults, fmt.Errorf("role %q: want %q, %q or %q", i.Role, Server, Client, CLI))
	}
	if err := checkLabel(i.region(), ldh+"_"); err != nil {
		faults = append(faults, fmt.Errorf("region %q: %w", i.Region, err))
	}
	for _, name := range i.DNSNames {
		if err := checkDNSName(strings.TrimPrefix(name, "*.")); err != nil {
			faults = append(faults, fmt.Errorf("DNS name %q: %w", name, err))
		}
	}
	for _, ip := range i.IPs {
		if !ip.IsValid() || ip.Zone() != "" {
			faults = append(faults, fmt.Errorf("IP address %q: want an address without a zone", ip))
		}
	}
	return errors.Join(faults...)
}

func (i Identity) region() string {
	if i.Region == "" {
		return DefaultRegion
	}
	return i.Region
}

// dnsNames returns all DNS names of the certificate, each once.
func (i Identity) dnsNames() []string {
	names := []string{i.Name(), localhostName}
	for _, name := range i.DNSNames {
		same := func(have string) bool { return strings.EqualFold(have, name) }
		if !slices.ContainsFunc(names, same) {
			names = append(names, name)
		}
	}
	return names
}

// ipAddresses returns all addresses of the certificate, each once. 127.0.0.1 is not
// added for a CLI, as in `nomad tls` (command/tls_cert_create.go:297).
func (i Identity) ipAddresses() []net.IP {
	var addrs []netip.Addr
	if i.Role != CLI {
		addrs = append(addrs, loopback())
	}
	for _, addr := range i.IPs {
		if addr = addr.Unmap(); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	ips := make([]net.IP, 0, len(addrs))
	for _, addr := range addrs {
		ips = append(ips, addr.AsSlice())
	}
	return ips
}

func (i Identity) clone() Identity {
	i.DNSNames = slices.Clone(i.DNSNames)
	i.IPs = slices.Clone(i.IPs)
	return i
}

func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }
