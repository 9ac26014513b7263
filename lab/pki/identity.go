package pki

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Role is the part an agent or a person plays, as Nomad spells it in certificate
// names. The zero Role is none, and Validate refuses it.
type Role string

// The roles that `nomad tls cert create` knows.
const (
	// Server may speak Raft and call server-only RPC in its own region, and
	// ordinary RPC in every region (nomad/server.go:647, nomad/rpc.go:919).
	// It outranks every ACL token: Keyring.Get answers it with root keys.
	Server Role = "server"
	// Client may call the RPC of the servers in its own region.
	Client Role = "client"
	// CLI may use the HTTP API alone: RPC refuses it where
	// verify_server_hostname is on (verified against Nomad 1.11.3).
	CLI Role = "cli"
)

// DefaultRegion is the region of an Identity that names none, as in Nomad.
const DefaultRegion = "global"

const (
	localhostName = "localhost"
	nomadDomain   = "nomad"
)

// Identity is who a certificate speaks for. It is a plain value; the zero
// Identity has no role and is refused by Validate.
type Identity struct {
	// Role is required.
	Role Role
	// Region is one label of a DNS name, in which capitals and underscores may be, as Nomad takes them. Zero: DefaultRegion.
	Region string
	// DNSNames are names beyond the role's own and localhost, perhaps with a
	// leading "*.". Beware: Nomad takes a role from any DNS name, so a client
	// with server.global.nomad among these is a server (nomad/server.go:634).
	DNSNames []string
	// IPs are addresses beyond 127.0.0.1, without zones.
	IPs []netip.Addr
}

// Name is the TLS name that carries role and region, e.g. "server.global.nomad":
// what a peer's certificate is verified for.
func (i Identity) Name() string {
	return fmt.Sprintf("%s.%s.%s", i.Role, i.region(), nomadDomain)
}

// FileStem begins the names of the identity's files, as `nomad tls cert create`
// names them, e.g. "global-server-nomad".
func (i Identity) FileStem() string {
	return fmt.Sprintf("%s-%s-%s", i.region(), i.Role, nomadDomain)
}

// CertFile is the name, without folder, of the identity's certificate file,
// e.g. "global-server-nomad.pem".
func (i Identity) CertFile() string { return i.FileStem() + ".pem" }

// KeyFile is the name, without folder, of the identity's private key file,
// e.g. "global-server-nomad-key.pem".
func (i Identity) KeyFile() string { return i.FileStem() + "-key.pem" }

// String is Name.
func (i Identity) String() string { return i.Name() }

// Validate tells every fault at once: an unknown role, a region that is not one
// label of a DNS name, a name that is not a DNS name, an address that is none. It returns
// nil for an identity that an authority without name constraints would issue.
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

// dnsNames are all DNS names of the certificate, each once.
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

// ipAddresses are all addresses of the certificate, each once. A CLI's gets no
// loopback address of its own, as with `nomad tls` (command/tls_cert_create.go:297).
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
