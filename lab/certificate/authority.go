package certificate

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/posture/catalogue"
)

// authority judges the certificate of an authority. sent are the other certificates of its file.
func (j judge) authority(c *x509.Certificate, sent []*x509.Certificate) Certificate {
	out := describe(c, Authority)
	chain, problems := j.chainOf(c, sent)
	out.Chain = chain
	out.Problems = append(j.authorityProblems(c), problems...)
	switch {
	case c.MaxPathLen > 0:
		out.Notes = append(out.Notes, fmt.Sprintf("its path length is %d: at most so many authorities may stand between it and a leaf", c.MaxPathLen))
	case c.MaxPathLenZero:
		out.Notes = append(out.Notes, "its path length is 0: it signs leaves alone")
	}
	return out
}

// authorityProblems returns what is wrong with an authority by itself.
func (j judge) authorityProblems(c *x509.Certificate) []Problem {
	var all []Problem
	soon, _ := catalogue.AuthorityEndsSoon(c, j.now)
	switch {
	case j.now.After(c.NotAfter):
		all = append(all, Problem{"expired", Refused, fmt.Sprintf("it ended at %s, and with it everything that it has issued", stamp(c.NotAfter)), "make a new authority, and roll it out with both in tls.ca_file"})
	case j.now.Before(c.NotBefore):
		all = append(all, Problem{"not-yet-valid", Refused, "it begins at " + stamp(c.NotBefore), "wait, or make a new authority"})
	case soon:
		all = append(all, Problem{"ends-soon", Unnoticed, fmt.Sprintf("it ends in %s, and with it everything that it has issued", span(c.NotAfter.Sub(j.now))), "make a new authority now, and roll it out with both in tls.ca_file"})
	}
	if short, what := catalogue.ShortKey(c); short {
		all = append(all, weakKey(what))
	}
	if !maySignOthers(c) {
		all = append(all, Problem{"may-not-sign", Refused, "its key usage does not include the signing of certificates, so what it signs is refused", "make an authority with keyCertSign"})
	}
	if why := excludesNomad(c); why != "" {
		all = append(all, Problem{"constraints-exclude-nomad", Refused, why + ": certificates with Nomad's names that it signs are refused",
			"make an authority that permits nomad, as `nomad tls ca create -name-constraint` does"})
	}
	return all
}

// excludesNomad says how the name constraints exclude names such as server.global.nomad; empty if they do not.
func excludesNomad(c *x509.Certificate) string {
	covers := func(domains []string) bool {
		return slices.ContainsFunc(domains, func(d string) bool { return d == "" || strings.EqualFold(strings.TrimPrefix(d, "."), "nomad") })
	}
	isBelow := func(domain string) bool { return strings.HasSuffix(strings.ToLower(domain), ".nomad") }
	switch {
	case covers(c.ExcludedDNSDomains):
		return "its name constraints exclude nomad"
	case len(c.PermittedDNSDomains) == 0 || covers(c.PermittedDNSDomains):
		return ""
	}
	if slices.ContainsFunc(c.PermittedDNSDomains, isBelow) { // it permits one region at least
		return ""
	}
	return "its name constraints permit " + strings.Join(c.PermittedDNSDomains, ", ") + " alone"
}
