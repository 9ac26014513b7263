package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// ErrUnconstrained says that a certificate outside the authority's name
// constraints was asked for, of an authority that has none.
var ErrUnconstrained = errors.New("the authority has no name constraints to be outside of: set Options.PermittedDNS")

// ErrNotPermitted says that the authority's own certificate does not permit it to
// sign what was asked for: a name outside its constraints, an intermediate, a life
// beyond its own.
var ErrNotPermitted = errors.New("the authority's own certificate does not permit it")

// Issue makes a key and a certificate for an identity, valid from an hour ago
// (for clocks that lag). The authority checks its own work: it returns an error
// for an invalid identity, for a name outside its constraints, and when it is
// itself expired or not yet valid.
func (a *Authority) Issue(id Identity) (Credential, error) {
	return a.IssueDefective(id, Defect{})
}

// IssueFlawed is Issue with one thing wrong. The certificate would have been
// sound without the defect: that is proved before the defect is put in, so the errors
// of Issue apply here too. OutsideConstraints returns ErrUnconstrained, wrapped,
// of an authority without name constraints; ErrNotPermitted what the authority may
// not sign. The zero Defect gives a sound certificate.
func (a *Authority) IssueDefective(id Identity, f Defect) (Credential, error) {
	cred, err := a.issue(id, f)
	if err != nil {
		return Credential{}, fmt.Errorf("issue %s certificate for %s: %w", f, id, err)
	}
	return cred, nil
}

func (a *Authority) issue(id Identity, f Defect) (Credential, error) {
	if err := id.Validate(); err != nil {
		return Credential{}, err
	}
	return a.make(id, subject{commonName: id.Name(), dnsNames: id.dnsNames(), ipAddresses: id.ipAddresses()}, f)
}

// IssueForKey is Issue for the private key of a credential that there is: one key then serves two certificates, which is what a
// check of shared keys looks for. The errors are Issue's, and that the credential's key cannot be read.
func (a *Authority) IssueForKey(id Identity, of Credential) (Credential, error) {
	key, err := decodeKey(of.KeyPEM)
	if err != nil {
		return Credential{}, fmt.Errorf("issue certificate for %s with the key of %s: %w", id, of.Identity, err)
	}
	if err := id.Validate(); err != nil {
		return Credential{}, fmt.Errorf("issue certificate for %s: %w", id, err)
	}
	cred, err := a.make(id, subject{commonName: id.Name(), dnsNames: id.dnsNames(), ipAddresses: id.ipAddresses(), key: key}, Defect{})
	if err != nil {
		return Credential{}, fmt.Errorf("issue certificate for %s with the key of %s: %w", id, of.Identity, err)
	}
	return cred, nil
}

// subject is whom a certificate names.
type subject struct {
	commonName  string
	dnsNames    []string
	ipAddresses []net.IP
	// key is the certificate's. Nil: one is made.
	key crypto.Signer
}

// make signs a certificate for whomever it is to name.
func (a *Authority) make(holder Identity, s subject, f Defect) (Credential, error) {
	now := a.now()
	if now.Before(a.cert.NotBefore) || now.After(a.cert.NotAfter) {
		return Credential{}, fmt.Errorf("authority %q is valid from %s to %s, not now: make a new one",
			a, a.cert.NotBefore.Format(time.RFC3339), a.cert.NotAfter.Format(time.RFC3339))
	}
	key, err := s.key, error(nil)
	switch {
	case key != nil:
	case a.rsa && f.key == p256:
		key, err = rsa.GenerateKey(rand.Reader, soundBits)
	default:
		key, err = f.newKey()
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
	if err := a.accept(leaf, now); err != nil {
		return Credential{}, err
	}
	certPEM := encodeCertificate(leaf)
	if f != (Defect{}) {
		if certPEM, err = a.signDefective(template, key, f, now); err != nil {
			return Credential{}, err
		}
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Identity: holder.clone(), CertPEM: certPEM, KeyPEM: keyPEM, CAPEM: a.CertificatePEM()}, nil
}

func (a *Authority) leafTemplate(s subject, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	keyID, err := subjectKeyID(public)
	if err != nil {
		return nil, err
	}
	notAfter := now.Add(a.leafTTL)
	if notAfter.After(a.cert.NotAfter) {
		notAfter = a.cert.NotAfter
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: s.commonName},
		NotBefore:             now.Add(-skew),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              s.dnsNames,
		IPAddresses:           s.ipAddresses,
		SubjectKeyId:          keyID,
	}, nil
}

// accept asks the verifier that Nomad uses, so that the authority and the agents
// cannot disagree about what a constraint permits.
func (a *Authority) accept(leaf *x509.Certificate, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if isOutsideConstraints(err) {
		return fmt.Errorf("outside the name constraints of authority %q (permitted DNS: %s): leave the name out, or make an authority with it in Options.PermittedDNS: %w: %w",
			a, strings.Join(a.cert.PermittedDNSDomains, ", "), ErrNotPermitted, err)
	}
	if err != nil {
		return fmt.Errorf("verify the new certificate: %w", err)
	}
	return nil
}

func isOutsideConstraints(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.CANotAuthorizedForThisName
}
