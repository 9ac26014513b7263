package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ErrUnconstrained is returned, wrapped, for InsideConstraints and OutsideConstraints by an authority that has no name
// constraints, and may sign no authority that has.
var ErrUnconstrained = errors.New("the authority has no name constraints to be outside of: set Options.PermittedDNS")

// ErrNotPermitted is returned, wrapped, if the authority's own certificate does not
// permit it to sign what was asked for: a name outside its constraints, an
// intermediate, a life beyond its own.
var ErrNotPermitted = errors.New("the authority's own certificate does not permit it")

// Issue makes a key and a certificate for an identity, valid from an hour ago, for
// clocks that lag. It returns an error for an invalid identity, for a name outside
// the authority's constraints, and if the authority is expired or not yet valid.
func (a *Authority) Issue(id Identity) (Credential, error) {
	return a.IssueDefective(id, Defect{})
}

// IssueDefective is Issue with one thing wrong. It first makes the certificate without
// the defect, to prove that nothing else is wrong, so the errors of Issue apply. It
// returns ErrUnconstrained or ErrNotPermitted, wrapped, for a defect that the authority
// cannot give. The zero Defect gives a sound certificate.
func (a *Authority) IssueDefective(id Identity, d Defect) (Credential, error) {
	cred, err := a.issue(id, nil, d)
	if err != nil {
		return Credential{}, fmt.Errorf("issue %s certificate for %s: %w", d, id, err)
	}
	return cred, nil
}

// IssueForKey is Issue for the private key of another credential: one key then serves two certificates, which is what a check of
// shared keys looks for. It returns the errors of Issue, and one if the credential's key cannot be read.
func (a *Authority) IssueForKey(id Identity, of Credential) (Credential, error) {
	key, err := decodeKey(of.KeyPEM)
	var cred Credential
	if err == nil {
		cred, err = a.issue(id, key, Defect{})
	}
	if err != nil {
		return Credential{}, fmt.Errorf("issue certificate for %s with the key of %s: %w", id, of.Identity, err)
	}
	return cred, nil
}

// issue signs a certificate for an identity. A nil key: one is made.
func (a *Authority) issue(id Identity, key crypto.Signer, d Defect) (Credential, error) {
	if err := id.Validate(); err != nil {
		return Credential{}, err
	}
	return a.sign(id, subject{commonName: id.Name(), dnsNames: id.dnsNames(), ipAddresses: id.ipAddresses(), key: key}, d)
}

// Template is a certificate whose names are chosen freely, for certificates that no
// Identity describes. The zero Template has no names.
type Template struct {
	// Holder names the credential's files, and the holder in errors. It does not go
	// into the certificate.
	Holder Identity
	// CommonName is the subject's. Zero: the subject is empty.
	CommonName string
	// DNSNames are all DNS names of the certificate: none is added or checked. Zero:
	// it has none.
	DNSNames []string
	// IPs are all addresses of the certificate. Zero: it has none.
	IPs []netip.Addr
	// Defect is what else is wrong with the certificate. Zero: nothing.
	Defect Defect
}

// IssueTemplate is Issue with the template's names and no others. It returns
// ErrNotPermitted, wrapped, if the authority may not sign it, and otherwise the
// errors of IssueDefective.
func (a *Authority) IssueTemplate(t Template) (Credential, error) {
	s := subject{commonName: t.CommonName, dnsNames: slices.Clone(t.DNSNames)}
	for _, ip := range t.IPs {
		s.ipAddresses = append(s.ipAddresses, ip.Unmap().AsSlice())
	}
	cred, err := a.sign(t.Holder, s, t.Defect)
	if err != nil {
		return Credential{}, fmt.Errorf("issue %s certificate for %q %q: %w", t.Defect, t.CommonName, t.DNSNames, err)
	}
	return cred, nil
}

// subject is what a certificate says about its holder.
type subject struct {
	commonName  string
	dnsNames    []string
	ipAddresses []net.IP
	// key is the certificate's private key. Nil: one is made.
	key crypto.Signer
}

// sign makes the key, unless the subject has one, and signs the certificate: first
// without the defect, to prove that nothing else is wrong with it.
func (a *Authority) sign(holder Identity, s subject, d Defect) (Credential, error) {
	now := a.now()
	if now.Before(a.cert.NotBefore) || now.After(a.end()) {
		return Credential{}, fmt.Errorf("authority %q is valid from %s to %s, not now: make a new one",
			a, a.cert.NotBefore.Format(time.RFC3339), a.end().Format(time.RFC3339))
	}
	key, err := s.key, error(nil)
	switch {
	case key != nil:
	case a.rsa && d.key == p256:
		key, err = rsa.GenerateKey(rand.Reader, soundBits)
	default:
		key, err = d.newKey()
	}
	if err != nil {
		return Credential{}, err
	}
	template, err := a.leafTemplate(s, key.Public(), now)
	if err != nil {
		return Credential{}, err
	}
	leaf, err := signCertificate(template, a.cert, key.Public(), a.key)
	if err != nil {
		return Credential{}, err
	}
	if err := a.verify(leaf, now); err != nil {
		return Credential{}, err
	}
	certPEM := EncodeCertificates(append([]*x509.Certificate{leaf}, a.chain...))
	if d != (Defect{}) {
		if certPEM, err = a.signDefective(template, key, d, now); err != nil {
			return Credential{}, err
		}
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Identity: holder.clone(), CertPEM: certPEM, KeyPEM: keyPEM, CAPEM: a.TrustPEM()}, nil
}

func (a *Authority) leafTemplate(s subject, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	t, err := newTemplate(public, now, a.leafTTL)
	if err != nil {
		return nil, err
	}
	if end := a.end(); t.NotAfter.After(end) {
		t.NotAfter = end
	}
	t.Subject.CommonName, t.DNSNames, t.IPAddresses = s.commonName, s.dnsNames, s.ipAddresses
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return t, nil
}

// signDefective returns, in PEM, what the holder of a defective certificate presents.
func (a *Authority) signDefective(sound *x509.Certificate, key crypto.Signer, d Defect, now time.Time) ([]byte, error) {
	template := d.apply(sound, now)
	if d.validity == longLived && template.NotAfter.After(a.end()) {
		return nil, fmt.Errorf("%w: authority %q ends at %s: make one with a longer Options.TTL",
			ErrNotPermitted, a, a.end().Format(time.RFC3339))
	}
	if d.signer == bySelf {
		leaf, err := signCertificate(template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		return encodeCertificate(leaf), nil
	}
	signer, err := a.signerOf(sound, d, now)
	if err != nil {
		return nil, err
	}
	leaf, err := signCertificate(template, signer.cert, key.Public(), signer.key)
	if err != nil {
		return nil, err
	}
	return EncodeCertificates(d.chainWith(leaf, signer)), d.proves(leaf, signer, now)
}

// verify verifies a certificate against this authority with crypto/x509, as Nomad
// does, so that the authority and the agents agree on what a constraint permits.
func (a *Authority) verify(leaf *x509.Certificate, now time.Time) error {
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: pool(a.trust), Intermediates: pool(a.chain), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if isReason(err, x509.CANotAuthorizedForThisName) {
		return fmt.Errorf("outside the name constraints of authority %q (permitted DNS: %s): leave the name out, or make an authority with it in Options.PermittedDNS: %w: %w",
			a, strings.Join(a.permittedDNS(), ", "), ErrNotPermitted, err)
	}
	if isReason(err, x509.TooManyIntermediates) {
		return fmt.Errorf("below authority %q are too many others: %w: %w", a, ErrNotPermitted, err)
	}
	if err != nil {
		return fmt.Errorf("verify the new certificate: %w", err)
	}
	return nil
}

// isReason reports whether crypto/x509 has refused a certificate for that reason.
func isReason(err error, reason x509.InvalidReason) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == reason
}
