package caller

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"nomadlab.internal/lab/pki"
)

// errNoRoot is the reason why IssuedByRoot is missing.
var errNoRoot = errors.New("the key of the root above it is not at hand")

// LetIn reports whether an agent that trusts the authorities of the bundle finds one of them above the certificate of the kind.
// It differs from agent to agent only for IssuedByRoot and IssuerMissing, where anchor is the authority that the bundle must
// hold; for all other kinds LetIn returns true and nil. A nil bundle is that of the cluster's authority.
func (s Set) LetIn(k Kind, bundle []*x509.Certificate) (is bool, anchor *x509.Certificate) {
	anchor = s.anchors[k]
	if anchor == nil {
		return true, nil
	}
	if bundle == nil {
		bundle = s.trust
	}
	return slices.ContainsFunc(bundle, func(c *x509.Certificate) bool { return sameAuthority(c, anchor) }), anchor
}

// sameAuthority reports whether two certificates are of one authority: of one name and one key, as before and after a renewal. A
// verifier that holds either follows a leaf to it.
func sameAuthority(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// anchors returns the authorities of kinds that not every agent lets in, and what agents trust where nothing else is known.
func (m mint) anchors() (of map[Kind]*x509.Certificate, trust []*x509.Certificate, err error) {
	if trust, err = pki.DecodeCertificates(m.authority.TrustPEM()); err != nil {
		return nil, nil, fmt.Errorf("read what the cluster's agents trust: %w", err)
	}
	of = map[Kind]*x509.Certificate{}
	for k, a := range map[Kind]*pki.Authority{IssuerMissing: m.authority, IssuedByRoot: m.rootAbove()} {
		if a == nil {
			continue
		}
		own, err := pki.DecodeCertificates(a.CertificatePEM())
		if err != nil {
			return nil, nil, fmt.Errorf("read the certificate of authority %q: %w", a, err)
		}
		of[k] = own[0]
	}
	return of, trust, nil
}

// rootAbove returns the root of the cluster's authority: that authority itself, if no other has signed it. Nil: its key is not at
// hand.
func (m mint) rootAbove() *pki.Authority {
	if m.root == nil && len(m.authority.ChainPEM()) == 0 {
		return m.authority
	}
	return m.root
}

// issuedByRoot returns the credential of kind IssuedByRoot.
func (m mint) issuedByRoot(id pki.Identity) (pki.Credential, error) {
	root := m.rootAbove()
	if root == nil {
		return pki.Credential{}, fmt.Errorf("authority %q: %w", m.authority, errNoRoot)
	}
	c, err := root.Issue(id)
	c.CAPEM = m.authority.TrustPEM() // it must complete its side of the handshake
	return c, err
}

// withoutChain returns the credential without the certificates that its holder sends along.
func withoutChain(c pki.Credential) pki.Credential {
	if leaf, err := c.Leaf(); err == nil {
		c.CertPEM = pki.EncodeCertificates([]*x509.Certificate{leaf})
	}
	return c
}
