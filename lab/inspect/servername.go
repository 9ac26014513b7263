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

// withoutTLS is the reason to send no token to an agent that speaks plain HTTP.
const withoutTLS = "it speaks plain HTTP, so that anything on the path could read the token, or be the agent"

// verifiedName returns the expected name for which the agent's certificate is valid, so that a token may be sent to the agent. If
// there is none, name is "" and why says what is wrong.
//
// Expected are the host of the address, a server's name in the given region, and TLSServerName; a client's or a user's name makes no
// agent a server. The names in the certificate are not expected by themselves: its holder could then be anyone.
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

// region returns the region whose servers may be sent a token.
func (r Remote) region() string { return cmp.Or(r.Region, pki.DefaultRegion) }

// nameOf returns the name of an agent of that role in the region.
func (r Remote) nameOf(role pki.Role) string {
	return pki.Identity{Role: role, Region: r.region()}.Name()
}

// vouches reports whether a certificate for a loopback host can be trusted to be the agent's: it has no name in Nomad's form, or the
// name of that role. Every certificate of `nomad tls cert create` is valid for loopback, so loopback alone proves nothing.
func (r Remote) vouches(role pki.Role, shown *x509.Certificate) bool {
	ofNomad := slices.ContainsFunc(shown.DNSNames, func(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".nomad") })
	return !ofNomad || shown.VerifyHostname(r.nameOf(role)) == nil
}

// isLoopback reports whether the host is localhost or a loopback address.
func isLoopback(host string) bool {
	at, err := netip.ParseAddr(host)
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || err == nil && at.Unmap().IsLoopback()
}

// isOfAnother reports whether the name is that of a client or a user, in Nomad's form.
func isOfAnother(name string) bool {
	role, _, _ := strings.Cut(strings.ToLower(name), ".")
	return strings.HasSuffix(strings.ToLower(name), ".nomad") && role != string(pki.Server)
}

// allNames returns all names and addresses that the certificate is valid for.
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
