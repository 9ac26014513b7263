package spec

import "nomadlab.internal/lab/pki"

// Option changes a Spec. Options are for call sites that read as a sentence: labtest.Start(t, spec.Servers(3)).
type Option func(*Spec)

// With returns a copy of the Spec with the options applied.
func (s Spec) With(options ...Option) Spec {
	s.Regions = append([]Region(nil), s.Regions...)
	s.ExtraNodes = append([]ExtraNode(nil), s.ExtraNodes...)
	s.Overrides = append([]Override(nil), s.Overrides...)
	s.Certificates = s.Certificates.clone()
	for _, o := range options {
		o(&s)
	}
	return s
}

// Name names the lab.
func Name(name string) Option { return func(s *Spec) { s.Name = name } }

// Version asks for a version of Nomad.
func Version(version string) Option { return func(s *Spec) { s.Nomad.Version = version } }

// LogLevel sets the agents' log level.
func LogLevel(level string) Option { return func(s *Spec) { s.LogLevel = level } }

// Servers sets how many servers the first region has.
func Servers(n int) Option { return func(s *Spec) { s.first().Servers = &n } }

// Clients sets how many clients the first region has.
func Clients(n int) Option { return func(s *Spec) { s.first().Clients = &n } }

// Outside adds agents that are created with the lab but stay outside until they are started.
func ExtraNodes(j ...ExtraNode) Option {
	return func(s *Spec) { s.ExtraNodes = append(s.ExtraNodes, j...) }
}

// Hardened asks for ACLs, strict introduction of clients and no raw_exec.
func Hardened() Option { return func(s *Spec) { s.Hardened = true } }

// NotBootstrapped leaves a hardened lab's ACL system to whoever bootstraps it first.
func NotBootstrapped() Option { return func(s *Spec) { s.NotBootstrapped = true } }

// Set changes one line of the configuration of the agents of that role; zero: of every agent. See Setting.
func Set(role pki.Role, path, value string) Option {
	return func(s *Spec) { s.Overrides = append(s.Overrides, Override{Role: role, Path: path, Value: value}) }
}

// FlawedCertificates puts one thing wrong with the certificates of all agents of a role; zero: of all agents.
func DefectiveCertificates(role pki.Role, f pki.Defect) Option {
	return func(s *Spec) {
		s.Certificates.Defects = append(s.Certificates.Defects, CertificateDefect{Role: role, Defect: f.Name()})
	}
}

// CertificateNames puts further names into the certificates of all agents of a role; zero: of all agents.
func CertificateNames(role pki.Role, names ...string) Option {
	return func(s *Spec) {
		s.Certificates.Names = append(s.Certificates.Names, ExtraNames{Role: role, DNSNames: names})
	}
}

// CertificateRole gives all agents of a role certificates of another one.
func CertificateRole(role, as pki.Role) Option {
	return func(s *Spec) {
		s.Certificates.Roles = append(s.Certificates.Roles, OtherRole{Role: role, As: as})
	}
}

// TrustForeign has all agents of a role trust an authority that is not the lab's: Lab.ForeignAuthority.
func TrustForeign(role pki.Role) Option {
	return func(s *Spec) {
		s.Certificates.TrustForeign = append(s.Certificates.TrustForeign, ForeignTrust{Role: role})
	}
}

// Like takes over a whole Spec; it belongs first among the options.
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
