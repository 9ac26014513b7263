package spec

import (
	"slices"

	"nomadlab.internal/lab/pki"
)

// Option changes a Spec. Options are for call sites that read as a sentence: labtest.Start(t, spec.Servers(3)).
type Option func(*Spec)

// With returns a copy of the Spec with the options applied.
func (s Spec) With(options ...Option) Spec {
	s.Regions, s.ExtraNodes, s.Overrides = slices.Clone(s.Regions), slices.Clone(s.ExtraNodes), slices.Clone(s.Overrides)
	s.Ports, s.Nomad.Nodes = slices.Clone(s.Ports), slices.Clone(s.Nomad.Nodes)
	s.Authority.AdditionalDomains = slices.Clone(s.Authority.AdditionalDomains)
	c := &s.Certificates
	c.Defects, c.Names, c.Roles = slices.Clone(c.Defects), slices.Clone(c.Names), slices.Clone(c.Roles)
	c.TrustForeign, c.Chains = slices.Clone(c.TrustForeign), slices.Clone(c.Chains)
	for _, o := range options {
		o(&s)
	}
	return s
}

// Name names the lab.
func Name(name string) Option { return func(s *Spec) { s.Name = name } }

// CertificatesFrom sets where the certificates come from: one of Sources, or the path of a folder.
func CertificatesFrom(source string) Option { return func(s *Spec) { s.Authority.Source = source } }

// Version asks for a version of Nomad.
func Version(version string) Option { return func(s *Spec) { s.Nomad.Version = version } }

// LogLevel sets the agents' log level.
func LogLevel(level string) Option { return func(s *Spec) { s.LogLevel = level } }

// Servers sets how many servers the first region has.
func Servers(n int) Option { return func(s *Spec) { s.first().Servers = &n } }

// Clients sets how many clients the first region has.
func Clients(n int) Option { return func(s *Spec) { s.first().Clients = &n } }

// ExtraNodes adds agents that are created with the lab and not started.
func ExtraNodes(n ...ExtraNode) Option {
	return func(s *Spec) { s.ExtraNodes = append(s.ExtraNodes, n...) }
}

// Hardened asks for a hardened lab: ACLs, strict introduction of clients, no raw_exec.
func Hardened() Option { return func(s *Spec) { s.Hardened = true } }

// NotBootstrapped leaves the ACL system of a hardened lab to the first caller that bootstraps it.
func NotBootstrapped() Option { return func(s *Spec) { s.NotBootstrapped = true } }

// Set adds an override for the agents of the role; zero: for every agent.
func Set(role pki.Role, path, value string) Option {
	return func(s *Spec) { s.Overrides = append(s.Overrides, Override{Role: role, Path: path, Value: value}) }
}

// DefectiveCertificates gives the certificates of all agents of a role a defect; zero: of all agents.
func DefectiveCertificates(role pki.Role, f pki.Defect) Option {
	return func(s *Spec) {
		s.Certificates.Defects = append(s.Certificates.Defects, CertificateDefect{Role: role, Defect: f.Name()})
	}
}

// CertificateNames adds names to the certificates of all agents of a role; zero: of all agents.
func CertificateNames(role pki.Role, names ...string) Option {
	return func(s *Spec) {
		s.Certificates.Names = append(s.Certificates.Names, ExtraNames{Role: role, DNSNames: names})
	}
}

// CertificateRole gives all agents of a role certificates of another role.
func CertificateRole(role, as pki.Role) Option {
	return func(s *Spec) {
		s.Certificates.Roles = append(s.Certificates.Roles, OtherRole{Role: role, As: as})
	}
}

// TrustForeign makes all agents of a role trust an authority that is not the lab's; see Certificates.TrustForeign.
func TrustForeign(role pki.Role) Option {
	return func(s *Spec) {
		s.Certificates.TrustForeign = append(s.Certificates.TrustForeign, ForeignTrust{Role: role})
	}
}

// Like replaces the whole Spec. It must be the first option.
func Like(other Spec) Option { return func(s *Spec) { *s = other.With() } }

// Counts returns how many servers and clients the first region begins with.
func (s Spec) Counts() (servers, clients int) {
	r := s.WithDefaults().Regions[0]
	return *r.Servers, *r.Clients
}

func (s *Spec) first() *Region {
	if len(s.Regions) == 0 {
		s.Regions = []Region{{}}
	}
	return &s.Regions[0]
}
