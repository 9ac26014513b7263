package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
)

// The sources of a lab's certificates, beside a folder of the user's own.
const (
	// BuiltinSource signs with an authority that this program makes.
	BuiltinSource = "builtin"
	// NomadSource is `nomad tls ca create` and `nomad tls cert create` of the lab's own version.
	NomadSource = "nomad"
	// CFSSLSource is cfssl, by Cloudflare.
	CFSSLSource = "cfssl"
	// VaultSource is a Vault server beside the agents, from which each of them gets its certificate by consul-template.
	VaultSource = "vault"
)

// Sources returns the names of all sources; a folder has none.
func Sources() []string { return []string{BuiltinSource, NomadSource, CFSSLSource, VaultSource} }

// Authority says where the lab's certificates come from. In a lab's file it is the source alone, or all keys.
type Authority struct {
	// Source is builtin, nomad, cfssl, vault, or the path of a folder that has the certificates. Zero: builtin.
	Source string `yaml:"source,omitempty" json:"source,omitempty"`
	// Domain is the -domain of `nomad tls ca create`, which names the authority's files and, with NameConstraint, a domain
	// that it may sign. For nomad alone. Zero: nomad.
	Domain string `yaml:"domain,omitempty" json:"domain,omitempty"`
	// AdditionalDomains are further domains that the authority may sign. For nomad alone, with NameConstraint.
	AdditionalDomains []string `yaml:"additional_domains,omitempty" json:"additional_domains,omitempty"`
	// NameConstraint confines the authority to Domain, AdditionalDomains, nomad and localhost. The nodes' own short names, such
	// as server-1, are then in no certificate. For nomad alone.
	NameConstraint bool `yaml:"name_constraint,omitempty" json:"name_constraint,omitempty"`
	// CertificateDomain is the -domain of `nomad tls cert create`. Nomad 1.11.3 itself refuses the certificates of another
	// domain than nomad (nomad/server.go:647). For nomad alone. Zero: nomad.
	CertificateDomain string `yaml:"certificate_domain,omitempty" json:"certificate_domain,omitempty"`
	// AsPublished follows the widely read guide to the letter, with what it leaves weak. For cfssl and vault.
	AsPublished bool `yaml:"as_published,omitempty" json:"as_published,omitempty"`
	// PasswordFile has the password of PKCS#12 files. For a folder alone.
	PasswordFile string `yaml:"password_file,omitempty" json:"password_file,omitempty"`
	// VaultBinary is the vault binary to use. For vault alone. Zero: one is found, pulled or built.
	VaultBinary string `yaml:"vault_binary,omitempty" json:"vault_binary,omitempty"`
	// ConsulTemplateBinary is the consul-template binary to use. For vault alone. Zero: one is found, pulled or built.
	ConsulTemplateBinary string `yaml:"consul_template_binary,omitempty" json:"consul_template_binary,omitempty"`
}

// UnmarshalYAML reads the name of a source, or all keys.
func (a *Authority) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&a.Source); err == nil {
		return nil
	}
	type plain Authority
	return unmarshal((*plain)(a))
}

// Folder returns the path of the user's folder; empty for another source.
func (a Authority) Folder() string {
	if a.Source == "" || slices.Contains(Sources(), a.Source) {
		return ""
	}
	return a.Source
}

// Permits reports whether the authority may sign the DNS name: with NameConstraint those in its domains, nomad and localhost alone,
// as `nomad tls ca create` makes them (command/tls_ca_create.go:221).
func (a Authority) Permits(name string) bool {
	if !a.NameConstraint {
		return true
	}
	name = strings.ToLower(strings.TrimPrefix(name, "*."))
	below := func(domain string) bool {
		domain = strings.ToLower(domain)
		return name == domain || strings.HasSuffix(name, "."+domain)
	}
	return slices.ContainsFunc(append([]string{cmp.Or(a.Domain, nomadDomain), "localhost", nomadDomain}, a.AdditionalDomains...), below)
}

// nomadDomain is the domain of the names that Nomad asks for, such as server.global.nomad.
const nomadDomain = "nomad"

// shortestLease is the shortest life of a certificate that consul-template renews: it does so at 85 to 95 % of it, and a SIGHUP
// ends an agent that is not ready yet.
const shortestLease = time.Minute

// longestOfAuthority is the life of the authorities that `nomad tls ca create` and cfssl make by default, five years.
const longestOfAuthority = 1825 * 24 * time.Hour

// ttlBounds returns the shortest and the longest life of a certificate of the source.
func (a Authority) ttlBounds() (shortest, longest time.Duration) {
	switch a.Source {
	case NomadSource:
		return 24 * time.Hour, longestOfAuthority
	case CFSSLSource:
		return shortestTTL, longestOfAuthority
	case VaultSource:
		return shortestLease, longestTTL
	default:
		return shortestTTL, longestTTL
	}
}

// authority checks the source, and that each key is one of the source's.
func (v *validator) authority(s Spec) {
	a := s.Authority
	set := map[string]bool{
		"domain": a.Domain != "", "additional_domains": len(a.AdditionalDomains) > 0, "name_constraint": a.NameConstraint,
		"certificate_domain": a.CertificateDomain != "", "as_published": a.AsPublished, "password_file": a.PasswordFile != "",
		"vault_binary": a.VaultBinary != "", "consul_template_binary": a.ConsulTemplateBinary != "",
	}
	sources := map[string][]string{
		"domain": {NomadSource}, "additional_domains": {NomadSource}, "name_constraint": {NomadSource}, "certificate_domain": {NomadSource},
		"as_published": {CFSSLSource, VaultSource}, "password_file": {"a folder"},
		"vault_binary": {VaultSource}, "consul_template_binary": {VaultSource},
	}
	source := a.Source
	if a.Folder() != "" {
		source = "a folder"
	}
	for _, key := range []string{
		"domain", "additional_domains", "name_constraint", "certificate_domain", "as_published", "password_file", "vault_binary", "consul_template_binary",
	} {
		if set[key] && !slices.Contains(sources[key], source) {
			v.add("authority."+key, "set for the source "+source, fmt.Sprintf("leave it out, or use it with %s", strings.Join(sources[key], " or ")))
		}
	}
	if len(a.AdditionalDomains) > 0 && !a.NameConstraint {
		v.add("authority.additional_domains", fmt.Sprint(a.AdditionalDomains), "set name_constraint too: without it the authority may sign any name")
	}
	v.besideAuthority(s)
}

// domainOfExtra checks the domain of an extra node's certificate.
func (v *validator) domainOfExtra(field string, s Spec, j ExtraNode) {
	switch {
	case j.CertificateDomain == "":
	case s.Authority.Source != NomadSource:
		v.add(field, fmt.Sprintf("%q, for the source %s", j.CertificateDomain, s.Authority.Source), "leave it out, or use it with nomad")
	case j.Defect != "":
		v.add(field, fmt.Sprintf("%q, beside the defect %s", j.CertificateDomain, j.Defect), "remove one of them: `nomad tls` makes no defects")
	case (pki.Identity{Role: pki.Server, DNSNames: []string{j.CertificateDomain}}).Validate() != nil:
		v.add(field, fmt.Sprintf("%q", j.CertificateDomain), "use a domain such as example.com")
	}
}

// besideAuthority refuses what the source cannot do.
func (v *validator) besideAuthority(s Spec) {
	a, c := s.Authority, s.Certificates
	if s.Configuration != nil && a.Source != BuiltinSource {
		v.add("authority.source", fmt.Sprintf("%q, beside a user configuration", a.Source), "leave it out: such a lab has the certificates of the configuration, or the lab's own")
	}
	if a.Folder() != "" && (c.TTL != 0 || len(c.DNSNames)+len(c.IPs)+len(c.Names)+len(c.Roles) > 0) {
		v.add("certificates", "a life or names beside a folder of certificates", "leave them out: the certificates in the folder stay as they are")
	}
	if a.Source == NomadSource && c.TTL%(24*time.Hour) != 0 {
		v.add("certificates.ttl", c.TTL.String(), "use whole days, such as 48h: `nomad tls cert create` counts in days")
	}
	if a.Source == VaultSource && len(c.IPs) > 0 {
		v.add("certificates.ips", fmt.Sprint(c.IPs), "leave them out: the roles in Vault allow the nodes' own addresses and localhost")
	}
}
