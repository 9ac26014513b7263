package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrIncomplete is returned, wrapped, for a chain that does not lead to an authority that agents trust. The error names the
// issuer that is missing.
var ErrIncomplete = errors.New("the chain is not complete")

// NewIntermediate makes an authority that this one signs. What it issues carries the chain along: the intermediate's own
// certificate and those that lead from it to the authorities that agents trust, which are this authority's. The intermediate
// lasts at most as long as this authority. The error is that of NewAuthority, or ErrNotPermitted, wrapped, if this authority may
// sign leaf certificates alone.
func (a *Authority) NewIntermediate(o Options) (*Authority, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make an authority below %q: %w", a, err)
	}
	if left := a.NotAfter().Sub(o.Now()); o.TTL > left {
		o.TTL = left
	}
	if a.cert.MaxPathLenZero {
		return nil, a.signsLeavesAlone()
	}
	made, err := makeAuthority(o, a)
	if err != nil {
		return nil, fmt.Errorf("make an authority below %q: %w", a, err)
	}
	return made, nil
}

// signsLeavesAlone returns the error of an authority of path length 0.
func (a *Authority) signsLeavesAlone() error {
	return fmt.Errorf("%w: authority %q may sign leaf certificates alone: make one with Options.Intermediates", ErrNotPermitted, a)
}

// WithTrust returns a copy of the authority whose credentials trust that bundle (PEM), such as its own certificate alone instead
// of the root's. It returns ErrIncomplete, wrapped, if what the authority issues leads to none of the bundle's authorities.
func (a *Authority) WithTrust(bundlePEM []byte) (*Authority, error) {
	trust, err := DecodeCertificates(bundlePEM)
	if err != nil {
		return nil, fmt.Errorf("read the authorities to trust beside %q: %w", a, err)
	}
	other := *a
	other.trust = trust
	if err := other.checkChain(); err != nil {
		return nil, err
	}
	return &other, nil
}

// TrustPEM returns the authorities that the holders of the authority's certificates trust: the CA bundle of agents. For an
// authority of NewAuthority it is CertificatePEM.
func (a *Authority) TrustPEM() []byte { return EncodeCertificates(a.trust) }

// ChainPEM returns what the holders of the authority's certificates send along: its own certificate and those between it and an
// authority that agents trust. It is empty for an authority that no other has signed.
func (a *Authority) ChainPEM() []byte { return EncodeCertificates(a.chain) }

// Pending is an authority whose certificate another authority has yet to sign. Make one with NewRequest. It holds a private key,
// which it does not show.
type Pending struct {
	key     crypto.Signer
	options Options
}

// NewRequest makes the key of an authority and a request (CSR, PEM) that another authority signs, such as that of a Vault server.
// Of the options the authority uses CommonName, LeafTTL and Now; the signer decides the rest. The error lists each wrong option.
func NewRequest(o Options) (*Pending, []byte, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, nil, fmt.Errorf("request a certificate for an authority: %w", err)
	}
	key, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("request a certificate for an authority: %w", err)
	}
	name, err := o.name()
	if err != nil {
		return nil, nil, fmt.Errorf("request a certificate for an authority: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("request a certificate for authority %q: %w", name, err)
	}
	return &Pending{key: key, options: o}, encodeBlock(requestBlock, der), nil
}

// Complete returns the authority. chainPEM is its certificate, followed by those that lead to one of the authorities of trustPEM,
// in any order; a self-signed one is passed over, as callers need not send it. trustPEM is what agents trust. The error wraps
// ErrIncomplete if an issuer is missing, and says so if the certificate is another key's or not that of an authority.
func (p *Pending) Complete(chainPEM, trustPEM []byte) (*Authority, error) {
	chain, err := DecodeCertificates(chainPEM)
	if err != nil {
		return nil, fmt.Errorf("read the new authority's certificate and its chain: %w", err)
	}
	trust, err := DecodeCertificates(trustPEM)
	if err != nil {
		return nil, fmt.Errorf("read the authorities that the agents below %q trust: %w", chain[0].Subject.CommonName, err)
	}
	switch cert := chain[0]; {
	case !MaySign(cert):
		return nil, fmt.Errorf("%s is not an authority: have the request signed as an intermediate's", cert.Subject)
	case !SameKey(cert.PublicKey, p.key.Public()):
		return nil, fmt.Errorf("the certificate of %s is not of the requested key: give it first, before those of its issuers", cert.Subject)
	}
	a := chainedAuthority(chain, trust, p.key, p.options)
	return a, a.checkChain()
}

// chainedAuthority returns an authority with its certificate first in a chain, and what agents trust.
func chainedAuthority(chain, trust []*x509.Certificate, key crypto.Signer, o Options) *Authority {
	a := newAuthority(chain[0], key, o)
	a.chain = slices.DeleteFunc(slices.Clone(chain), isSelfSigned)
	a.trust = trust
	return a
}

// isSelfSigned reports whether a certificate is signed with its own key, as a root's is.
func isSelfSigned(c *x509.Certificate) bool { return Signed(c, c) }

// checkChain returns ErrIncomplete, wrapped, unless the authority's certificate leads to one that agents trust.
func (a *Authority) checkChain() error {
	if len(LeadsTo(a.cert, a.chain, a.trust)) > 0 {
		return nil
	}
	last := a.cert
	for range a.chain { // as often as there are links, for authorities that have signed each other
		if at := slices.IndexFunc(a.chain, func(c *x509.Certificate) bool { return Signed(c, last) }); at >= 0 {
			last = a.chain[at]
		}
	}
	return fmt.Errorf("%w: authority %q leads to %s, whose issuer %s is neither sent along nor trusted: add its certificate",
		ErrIncomplete, a, NameText(last.RawSubject), NameText(last.RawIssuer))
}

// path returns the certificates above a leaf: the authority's own, those of its chain, and the trusted ones to which it leads.
func (a *Authority) path() []*x509.Certificate {
	path := []*x509.Certificate{a.cert}
	for _, c := range slices.Concat(a.chain, LeadsTo(a.cert, a.chain, a.trust)) {
		if !hasCertificate(path, c) {
			path = append(path, c)
		}
	}
	return path
}

// end returns when the first certificate of the authority's path ends. Of several trusted ones the last counts.
func (a *Authority) end() time.Time {
	end := a.cert.NotAfter
	for _, c := range a.chain {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	var anchor time.Time
	for _, c := range LeadsTo(a.cert, a.chain, a.trust) {
		if c.NotAfter.After(anchor) {
			anchor = c.NotAfter
		}
	}
	if !anchor.IsZero() && anchor.Before(end) {
		return anchor
	}
	return end
}

// permittedDNS returns the domains of the path's name constraints; empty: it has none.
func (a *Authority) permittedDNS() []string {
	var domains []string
	for _, c := range a.path() {
		domains = append(domains, c.PermittedDNSDomains...)
	}
	return domains
}

// pool returns certificates as crypto/x509 wants them.
func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
