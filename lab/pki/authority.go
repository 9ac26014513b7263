package pki

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Authority signs certificates. It is immutable and safe for concurrent use. Make one
// with NewAuthority or LoadAuthority; the zero Authority cannot be used. Only Save
// writes its private key.
type Authority struct {
	cert    *x509.Certificate
	certPEM []byte
	key     crypto.Signer
	// chain is what holders send along: the own certificate and those between it and a trusted one. Nil: no other authority has
	// signed this one.
	chain []*x509.Certificate
	// trust is what holders trust: the own certificate, or that of an authority above.
	trust   []*x509.Certificate
	leafTTL time.Duration
	// selfSigned is the own certificate that no other authority has signed, if there is one beside cert. Nil: there is none.
	selfSigned *x509.Certificate
	now        func() time.Time
	// rsa is true for an authority that makes RSA keys.
	rsa bool
}

// NewAuthority makes a self-signed ECDSA P-256 authority. It may sign leaf
// certificates only, unless Options.Intermediates is set. The error lists each wrong
// option.
func NewAuthority(o Options) (*Authority, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	a, err := makeAuthority(o, nil)
	if err != nil {
		return nil, fmt.Errorf("make authority %q: %w", o.CommonName, err)
	}
	return a, nil
}

// makeAuthority makes an authority that parent signs; nil: itself. The options must have their defaults.
func makeAuthority(o Options, parent *Authority) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := authorityTemplate(o, key.Public())
	if err != nil {
		return nil, err
	}
	if parent == nil {
		cert, err := signCertificate(template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		return newAuthority(cert, key, o), nil
	}
	cert, err := signCertificate(template, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, err
	}
	return chainedAuthority(append([]*x509.Certificate{cert}, parent.chain...), parent.trust, key, o), nil
}

// WithLeafTTL returns a copy of the authority whose certificates are valid for that time, as Options.LeafTTL says.
func (a *Authority) WithLeafTTL(ttl time.Duration) *Authority {
	other := *a
	other.leafTTL = ttl
	return &other
}

// IssuingRSA returns a copy of the authority that makes RSA keys of 2048 bits, except for a Defect of the key.
func (a *Authority) IssuingRSA() *Authority {
	other := *a
	other.rsa = true
	return &other
}

// CertificatePEM returns the authority's own certificate. What agents trust is TrustPEM, which
// differs for an authority below another.
func (a *Authority) CertificatePEM() []byte { return slices.Clone(a.certPEM) }

// NotBefore returns when the authority becomes valid.
func (a *Authority) NotBefore() time.Time { return a.cert.NotBefore }

// NotAfter returns when the authority expires, or one above it that must be valid with it. What it issues expires then or
// earlier.
func (a *Authority) NotAfter() time.Time { return a.end() }

// String returns the authority's common name.
func (a *Authority) String() string { return a.cert.Subject.CommonName }

// newAuthority returns an authority that agents trust itself. The options must have their defaults.
func newAuthority(cert *x509.Certificate, key crypto.Signer, o Options) *Authority {
	return &Authority{
		cert: cert, certPEM: encodeCertificate(cert), key: key, trust: []*x509.Certificate{cert}, leafTTL: o.LeafTTL, now: o.Now,
	}
}

func authorityTemplate(o Options, public crypto.PublicKey) (*x509.Certificate, error) {
	t, err := newTemplate(public, o.Now(), o.TTL)
	if err != nil {
		return nil, err
	}
	t.Subject.CommonName = cmp.Or(o.CommonName, defaultName(t.SerialNumber))
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.IsCA, t.MaxPathLen, t.MaxPathLenZero = true, o.Intermediates, o.Intermediates == 0
	t.AuthorityKeyId = t.SubjectKeyId
	t.PermittedDNSDomains, t.PermittedDNSDomainsCritical = o.PermittedDNS, len(o.PermittedDNS) > 0
	return t, nil
}

// newTemplate returns what every certificate has: a serial number, an identifier of its key, and a validity.
func newTemplate(public crypto.PublicKey, now time.Time, ttl time.Duration) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	keyID, err := subjectKeyID(public)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, SubjectKeyId: keyID, BasicConstraintsValid: true,
		NotBefore: now.Add(-skew), NotAfter: now.Add(ttl),
	}, nil
}

// signCertificate signs a certificate and parses the result, so that the caller gets
// what a verifier will see.
func signCertificate(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back the signed certificate: %w", err)
	}
	return cert, nil
}

// newSerial returns a random number of 128 bits, as `nomad tls` does.
func newSerial() (*big.Int, error) {
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	serial, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	return serial, nil
}

// subjectKeyID returns a key's identifier as `nomad tls` makes it: the SHA-256 of its
// public key info, cut to 160 bits. crypto/x509 makes one for authorities only.
func subjectKeyID(public crypto.PublicKey) ([]byte, error) {
	info, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	sum := sha256.Sum256(info)
	return sum[:20], nil
}
