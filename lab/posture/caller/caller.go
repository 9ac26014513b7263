package caller

import (
	"errors"
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// Callers are callers of each kind, and why there is none of the others. Make them with Mint or Holding. The zero
// Callers have nobody, not even None.
type Set struct {
	callers map[Kind]probe.Caller
	missing map[Kind]string
}

// Option changes what Mint does.
type Option func(*mint)

// WithForeign has the authority sign the certificate of kind Foreign: one that the cluster may have been told to trust.
// Without it, or with nil, nobody has ever heard of the authority that does.
func WithForeign(f *pki.Authority) Option { return func(m *mint) { m.foreign = f } }

// WithOwn has the holder of the credential be the caller of its role, in the place of one for whom a certificate is made. Nil
// changes nothing.
func WithOwn(c *pki.Credential) Option { return func(m *mint) { m.own = c } }

// mint is how callers are made.
type mint struct {
	own       *pki.Credential
	authority *pki.Authority
	region    string
	foreign   *pki.Authority
}

// Mint makes one caller of every kind, for a cluster whose certificates the authority signs. region is the cluster's own;
// zero: global. The other region is eu, or us where eu is the cluster's own. A kind that the authority's own certificate
// does not permit, such as names outside its constraints, is lacking with that reason. It returns the authority's other
// errors, above all that its time is over.
func Mint(a *pki.Authority, region string, options ...Option) (Set, error) {
	if region == "" {
		region = pki.DefaultRegion
	}
	m := mint{authority: a, region: region}
	for _, o := range options {
		o(&m)
	}
	p := Set{callers: map[Kind]probe.Caller{None: withoutCertificate(pki.Credential{CAPEM: a.CertificatePEM()})}, missing: map[Kind]string{}}
	for _, k := range Kinds() {
		if k == None {
			continue
		}
		c, err := m.credential(k)
		switch title := k.title(region); {
		case errors.Is(err, pki.ErrNotPermitted):
			p.missing[k] = fmt.Sprintf("the cluster's authority may not sign %s: %v", title, err)
		case err != nil:
			return Set{}, fmt.Errorf("make %s: %w", title, err)
		default:
			p.callers[k] = probe.As(c).Called(title)
		}
	}
	if m.own != nil {
		p.add(*m.own)
	}
	return p, nil
}

// hold makes the holder of the credential the caller of its role.
func (p Set) add(c pki.Credential) {
	k := Kind(c.Identity.Role)
	p.callers[k] = probe.As(c).Called(k.title(regionOf(c.Identity)))
	delete(p.missing, k)
}

// credential is what the kind holds.
func (m mint) credential(k Kind) (pki.Credential, error) {
	server := pki.Identity{Role: pki.Server, Region: m.region}
	if n, is := named(m.region)[k]; is {
		return m.authority.IssueTemplate(pki.Template{Holder: server, CommonName: n.commonName, DNSNames: n.dnsNames})
	}
	f := defective()[k]
	if k != Foreign || m.foreign == nil {
		return m.authority.IssueDefective(server, f.defect)
	}
	c, err := m.foreign.Issue(server)
	c.CAPEM = m.authority.CertificatePEM() // the holder trusts the cluster, whatever the cluster thinks of the holder
	return c, err
}

// Holding is what a user has who has no authority's key: the callers that the roles of the own certificates make, None, and those
// whose certificate the cluster's authority has not signed anyway.
func Holding(own pki.Credential, more ...pki.Credential) Set {
	p := Set{callers: map[Kind]probe.Caller{None: withoutCertificate(own)}, missing: map[Kind]string{}}
	for _, c := range append([]pki.Credential{own}, more...) {
		p.add(c)
	}
	p.addUntrusted(own)
	for _, k := range Kinds() {
		if _, has := p.callers[k]; !has && p.missing[k] == "" {
			p.missing[k] = fmt.Sprintf("no key of the cluster's authority is at hand, so %s cannot be made", k.Title())
		}
	}
	return p
}

// holdStrange makes the callers whose certificates need no key of the cluster's authority. The region may be one for which no lab has
// certificates issued, such as one of two labels.
func (p Set) addUntrusted(own pki.Credential) {
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
			p.missing[k] = fmt.Sprintf("%s cannot be made: %v", k.Title(), err)
			continue
		}
		c.CAPEM = own.CAPEM // the holder trusts the cluster
		p.callers[k] = probe.As(c).Called(k.title(server.Region))
	}
}

// Caller is the caller of that kind. Where there is none, lacks says why, in a sentence without a full stop.
func (p Set) Caller(k Kind) (c probe.Caller, missing string) {
	if c, has := p.callers[k]; has {
		return c, ""
	}
	if missing, known := p.missing[k]; known {
		return probe.Caller{}, missing
	}
	return probe.Caller{}, fmt.Sprintf("nobody was made who holds %q", k)
}

// Holder is whoever holds a certificate that agents take over HTTPS, which asks for no role: the cli's where there is one, else an
// agent's own, as the folder of an agent has no other. Where there is none, lacks says why.
func (p Set) Holder() (c probe.Caller, missing string) {
	for _, k := range []Kind{CLI, Client, Server} {
		if c, missing := p.Caller(k); missing == "" {
			return c, ""
		}
	}
	return p.Caller(CLI)
}

// nobody trusts the cluster, so that it completes its side of a handshake, and holds no certificate.
func withoutCertificate(trusting pki.Credential) probe.Caller {
	return probe.Anonymous(trusting).Called(None.Title())
}

// Regions that a caller of another region is of.
const otherRegion, otherThanEU = "eu", "us"

func another(region string) string {
	if region == otherRegion {
		return otherThanEU
	}
	return otherRegion
}

func regionOf(id pki.Identity) string {
	if id.Region == "" {
		return pki.DefaultRegion
	}
	return id.Region
}

func tlsName(role pki.Role, region string) string {
	return pki.Identity{Role: role, Region: region}.Name()
}
