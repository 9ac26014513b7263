package caller

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// Set is a set of callers, at most one of each kind, and the reasons why kinds are missing. Make it with Mint or
// Holding. The zero Set has no caller, not even None.
type Set struct {
	callers map[Kind]probe.Caller
	missing map[Kind]string
	// anchors has the only authority that makes an agent accept a kind, for kinds where that is not the same for all agents.
	anchors map[Kind]*x509.Certificate
	// trust is what the cluster's agents trust where nothing else is known.
	trust []*x509.Certificate
}

// Option changes what Mint does.
type Option func(*mint)

// WithForeign has the authority sign the certificate of kind Foreign, for example because the cluster may be
// configured to trust that authority. Without it, or with nil, Mint makes a new authority.
func WithForeign(f *pki.Authority) Option { return func(m *mint) { m.foreign = f } }

// WithOwn makes the holder of the credential the caller of its role, instead of one with a new certificate. Nil
// changes nothing.
func WithOwn(c *pki.Credential) Option { return func(m *mint) { m.own = c } }

// WithRoot has the authority sign the certificate of kind IssuedByRoot: it is the one that has signed the cluster's authority.
// Without it, or with nil, the kind is missing, unless the cluster's authority is itself a root.
func WithRoot(root *pki.Authority) Option { return func(m *mint) { m.root = root } }

// mint is the parameters of Mint.
type mint struct {
	root      *pki.Authority
	own       *pki.Credential
	authority *pki.Authority
	region    string
	foreign   *pki.Authority
}

// Mint makes a caller of every kind, for a cluster whose certificates the authority signs. region is the cluster's
// region; zero: global. The other region is eu, or us if the cluster's is eu. A kind that the authority's own
// certificate does not permit, such as names outside its constraints, is missing for that reason. Mint returns other
// errors of the authority, for example that it has expired.
func Mint(a *pki.Authority, region string, options ...Option) (Set, error) {
	region = cmp.Or(region, pki.DefaultRegion)
	m := mint{authority: a, region: region}
	for _, o := range options {
		o(&m)
	}
	s := Set{callers: map[Kind]probe.Caller{None: withoutCertificate(pki.Credential{CAPEM: a.TrustPEM()})}, missing: map[Kind]string{}}
	var err error
	if s.anchors, s.trust, err = m.anchors(); err != nil {
		return Set{}, err
	}
	for _, k := range Kinds() {
		if k == None {
			continue
		}
		c, err := m.credential(k)
		switch title := k.title(region); {
		case errors.Is(err, pki.ErrNotPermitted), errors.Is(err, pki.ErrUnconstrained), errors.Is(err, errNoRoot):
			s.missing[k] = fmt.Sprintf("the cluster's authority may not sign %s: %v", title, err)
		case err != nil:
			return Set{}, fmt.Errorf("make %s: %w", title, err)
		default:
			s.callers[k] = probe.As(c).WithLabel(title)
		}
	}
	if m.own != nil {
		s.add(*m.own)
	}
	return s, nil
}

// add makes the holder of the credential the caller of its role.
func (s Set) add(c pki.Credential) {
	k := Kind(c.Identity.Role)
	s.callers[k] = probe.As(c).WithLabel(k.title(regionOf(c.Identity)))
	delete(s.missing, k)
}

// credential returns the certificate and key of the kind.
func (m mint) credential(k Kind) (pki.Credential, error) {
	server := pki.Identity{Role: pki.Server, Region: m.region}
	if n, is := named(m.region)[k]; is {
		return m.authority.IssueTemplate(pki.Template{Holder: server, CommonName: n.commonName, DNSNames: n.dnsNames})
	}
	switch k {
	case IssuedByRoot:
		return m.issuedByRoot(server)
	case IssuerMissing:
		c, err := m.authority.Issue(server)
		return withoutChain(c), err
	}
	f := defective()[k]
	if k != Foreign || m.foreign == nil {
		return m.authority.IssueDefective(server, f.defect)
	}
	c, err := m.foreign.Issue(server)
	c.CAPEM = m.authority.TrustPEM() // it must complete its side of the handshake
	return c, err
}

// WithoutAuthority makes the callers that need no key of the cluster's authority: those of the roles of the given
// certificates, None, and those whose certificate another authority signs. The other kinds are missing for that
// reason.
func WithoutAuthority(own pki.Credential, more ...pki.Credential) Set {
	s := Set{callers: map[Kind]probe.Caller{None: withoutCertificate(own)}, missing: map[Kind]string{}}
	for _, c := range append([]pki.Credential{own}, more...) {
		s.add(c)
	}
	s.addUntrusted(own)
	for _, k := range Kinds() {
		if _, has := s.callers[k]; !has && s.missing[k] == "" {
			s.missing[k] = fmt.Sprintf("no key of the cluster's authority is at hand, so %s cannot be made", k.Title())
		}
	}
	return s
}

// addUntrusted adds the callers whose certificates the cluster's authority did not sign. The region may be one for
// which no lab has certificates issued, such as one of two labels.
func (s Set) addUntrusted(own pki.Credential) {
	server := pki.Identity{Role: pki.Server, Region: regionOf(own.Identity)}
	untrusted, err := pki.NewAuthority(pki.Options{})
	for _, k := range []Kind{Foreign, SelfSigned} {
		var c pki.Credential
		if err == nil {
			c, err = untrusted.IssueTemplate(pki.Template{
				Holder: server, CommonName: server.Name(), DNSNames: []string{server.Name(), "localhost"}, Defect: defective()[k].defect,
			})
		}
		if err != nil {
			s.missing[k] = fmt.Sprintf("%s cannot be made: %v", k.Title(), err)
			continue
		}
		c.CAPEM = own.CAPEM // it must complete its side of the handshake
		s.callers[k] = probe.As(c).WithLabel(k.title(server.Region))
	}
}

// Caller returns the caller of the kind. If there is none, missing is the reason, a sentence without a full stop.
func (s Set) Caller(k Kind) (c probe.Caller, missing string) {
	if c, has := s.callers[k]; has {
		return c, ""
	}
	if missing, known := s.missing[k]; known {
		return probe.Caller{}, missing
	}
	return probe.Caller{}, fmt.Sprintf("nobody was made who holds %q", k)
}

// ForHTTPS returns a caller with a certificate that agents accept over HTTPS, which does not depend on the role: the
// cli's if there is one, or an agent's, as an agent's folder has no other. If there is none, missing is the reason.
func (s Set) ForHTTPS() (c probe.Caller, missing string) {
	for _, k := range []Kind{CLI, Client, Server} {
		if c, missing := s.Caller(k); missing == "" {
			return c, ""
		}
	}
	return s.Caller(CLI)
}

// withoutCertificate returns the caller of kind None. It trusts the cluster, so that it completes its side of a
// handshake.
func withoutCertificate(trusting pki.Credential) probe.Caller {
	return probe.Anonymous(trusting).WithLabel(None.Title())
}

// otherRegion is the region of callers of another region; otherThanEU replaces it in a cluster of region eu.
const otherRegion, otherThanEU = "eu", "us"

func regionOf(id pki.Identity) string { return cmp.Or(id.Region, pki.DefaultRegion) }

func tlsName(role pki.Role, region string) string {
	return pki.Identity{Role: role, Region: region}.Name()
}
