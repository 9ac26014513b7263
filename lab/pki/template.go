package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

const intermediateName = "Intermediate CA"

// Template is a certificate with whatever names somebody likes: what no Identity
// would give. The zero Template names nobody.
type Template struct {
	// Holder is whose the credential is called, in its files' names and in errors.
	// Nothing of it goes into the certificate.
	Holder Identity
	// CommonName is the subject's. Zero: the subject is empty.
	CommonName string
	// DNSNames are all DNS names of the certificate, as they stand: none is added,
	// none is checked. Zero: it has none.
	DNSNames []string
	// Defect is what else is wrong with it. Zero: nothing.
	Defect Defect
}

// Forge signs a certificate as Issue does, with the template's names and no others.
// ErrNotPermitted says, wrapped, that the authority may not sign it; the other
// errors are those of IssueFlawed.
func (a *Authority) IssueTemplate(f Template) (Credential, error) {
	cred, err := a.make(f.Holder, subject{commonName: f.CommonName, dnsNames: slices.Clone(f.DNSNames)}, f.Defect)
	if err != nil {
		return Credential{}, fmt.Errorf("forge %s certificate for %q %q: %w", f.Defect, f.CommonName, f.DNSNames, err)
	}
	return cred, nil
}

// signFlawed returns, in PEM, what the holder of a defective certificate presents.
func (a *Authority) signDefective(sound *x509.Certificate, key crypto.Signer, f Defect, now time.Time) ([]byte, error) {
	template := f.apply(sound, now)
	switch {
	case f.outside && len(a.cert.PermittedDNSDomains) == 0:
		return nil, ErrUnconstrained
	case f.validity == endless && template.NotAfter.After(a.cert.NotAfter):
		return nil, fmt.Errorf("%w: authority %q ends itself at %s: make one with a longer Options.TTL",
			ErrNotPermitted, a, a.cert.NotAfter.Format(time.RFC3339))
	}
	signer, err := a.signerOf(template, key, f, now)
	if err != nil {
		return nil, err
	}
	leaf, err := signCertificate(template, signer.cert, key.Public(), signer.key)
	if err != nil {
		return nil, err
	}
	if f.outside && !isOutsideConstraints(a.accept(leaf, now)) {
		return nil, fmt.Errorf("authority %q permits even %s", a, outsideName)
	}
	chain := encodeCertificate(leaf)
	if f.signer == byIntermediate {
		chain = bytes.Join([][]byte{chain, signer.certPEM}, nil)
	}
	return chain, nil
}

// signerOf is who signs a defective certificate.
func (a *Authority) signerOf(template *x509.Certificate, key crypto.Signer, f Defect, now time.Time) (*Authority, error) {
	switch f.signer {
	case bySelf:
		return &Authority{cert: template, key: key}, nil
	case byStranger:
		return NewAuthority(Options{CommonName: strangerName, Now: a.now})
	case byIntermediate, byUnsentIntermediate:
		return a.intermediate(now)
	default:
		return a, nil
	}
}

// intermediate makes an authority below this one, which lasts as long.
func (a *Authority) intermediate(now time.Time) (*Authority, error) {
	if a.cert.MaxPathLenZero {
		return nil, fmt.Errorf("%w: authority %q may sign leaf certificates alone: make one with Options.Intermediates", ErrNotPermitted, a)
	}
	o := Options{CommonName: intermediateName, TTL: a.cert.NotAfter.Sub(now), Now: a.now}.withDefaults()
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := authorityTemplate(o, key.Public())
	if err != nil {
		return nil, err
	}
	cert, err := signCertificate(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return newAuthority(cert, key, o), nil
}
