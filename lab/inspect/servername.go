package inspect

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
)

// withoutTLS is why an agent is sent no token that speaks plain HTTP.
const withoutTLS = "it speaks plain HTTP, in which whoever is in between could read the token, or be the agent"

// verifiedName is the name for which the agent's certificate is right, of those that it may have for a token to be sent to it.
// Without one, why says what is wrong.
//
// A certificate is right for the host of the address that was given; for a server's name in the region that was given; and for
// the name that was given with it, but that a client's or a user's name makes nobody a server. What the certificate itself
// says is no name to expect: else its holder would be sent the token, whoever that is.
func (r Remote) verifiedName(role pki.Role, host string, shown *x509.Certificate) (name, why string) {
	expected := []string{}
	if !isLoopback(host) || r.vouches(role, shown) {
		expected = append(expected, host)
	}
	if role == pki.Server {
		expected = append(expected, r.nameOf(pki.Server))
	}
	if given := r.TLSServerName; given != "" && !slices.Contains(expected, given) && (role != pki.Server || !isOfAnother(given)) {
		expected = append(expected, given)
	}
	for _, name := range expected {
		if shown.VerifyHostname(name) == nil {
			return name, ""
		}
	}
	if len(expected) == 0 {
		expected = append(expected, r.nameOf(role))
	}
	return "", fmt.Sprintf("its certificate is for %s, and not for %s: --region and --tls-server-name say what to expect",
		strings.Join(allNames(shown), ", "), strings.Join(expected, " or "))
}

// region is the one whose servers are sent a token.
func (r Remote) region() string { return cmp.Or(r.Region, pki.DefaultRegion) }

// nameOf is the name of an agent of that role in the region.
func (r Remote) nameOf(role pki.Role) string {
	return pki.Identity{Role: role, Region: r.region()}.Name()
}

// vouches reports whether a certificate says more than that its holder is on this machine, as each certificate says that
// `nomad tls cert create` has made: that it is the agent's of that role, or nothing in the form of Nomad's names.
func (r Remote) vouches(role pki.Role, shown *x509.Certificate) bool {
	ofNomad := slices.ContainsFunc(shown.DNSNames, func(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".nomad") })
	return !ofNomad || shown.VerifyHostname(r.nameOf(role)) == nil
}

// isLoopback reports whether the host is this machine, by name or address.
func isLoopback(host string) bool {
	at, err := netip.ParseAddr(host)
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || err == nil && at.Unmap().IsLoopback()
}

// isOfAnother reports whether the name is that of a client or of a user, in Nomad's form.
func isOfAnother(name string) bool {
	role, _, _ := strings.Cut(strings.ToLower(name), ".")
	return strings.HasSuffix(strings.ToLower(name), ".nomad") && role != string(pki.Server)
}

// allNames are all names and addresses that the certificate is for.
func allNames(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return []string{"no name at all"}
	}
	return names
}
