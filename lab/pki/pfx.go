package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"software.sslmate.com/src/go-pkcs12"
)

// ErrWrongPassword is returned, wrapped, by DecodePFX for a password that does not open the file.
var ErrWrongPassword = errors.New("the password does not open the PKCS#12 file")

// ErrNotPFX is returned, wrapped, by DecodePFX for a text that is no PKCS#12 file, or one that lacks what a credential needs.
var ErrNotPFX = errors.New("not a PKCS#12 file with a certificate and its key")

// DecodePFX reads a PKCS#12 file (PFX, RFC 7292) with one private key. The credential's Identity is zero, because the file does
// not say whom the certificate speaks for. CertPEM begins with the certificate of the key, whatever the order in the file;
// authorities that did not sign themselves follow, each behind what it signed. CAPEM has the authorities that signed themselves,
// and may be empty. An empty password opens a file without one.
//
// DecodePFX returns ErrWrongPassword or ErrNotPFX, wrapped. Its errors never quote the text or the password.
func DecodePFX(text []byte, password string) (Credential, error) {
	key, first, others, err := pkcs12.DecodeChain(text, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return Credential{}, fmt.Errorf("read PKCS#12: %w", ErrWrongPassword)
	case err != nil:
		return Credential{}, fmt.Errorf("read PKCS#12: %w: %w", ErrNotPFX, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return Credential{}, fmt.Errorf("read PKCS#12: %w: a key of type %T cannot sign", ErrNotPFX, key)
	}
	certs := append([]*x509.Certificate{first}, others...)
	own := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return SameKey(c.PublicKey, signer.Public()) })
	if own < 0 {
		return Credential{}, fmt.Errorf("read PKCS#12: %w: its key belongs to none of its certificates", ErrNotPFX)
	}
	keyPEM, err := encodeKey(signer)
	if err != nil {
		return Credential{}, fmt.Errorf("read PKCS#12: %w", err)
	}
	leaf := certs[own]
	chain, roots := splitChain(leaf, slices.Delete(certs, own, own+1))
	return Credential{CertPEM: EncodeCertificates(append([]*x509.Certificate{leaf}, chain...)), KeyPEM: keyPEM, CAPEM: EncodeCertificates(roots)}, nil
}

// splitChain parts the authorities beside a leaf: chain has those that others signed, each behind what it signed, and behind
// them those that signed nothing here; roots has those that signed themselves.
func splitChain(leaf *x509.Certificate, others []*x509.Certificate) (chain, roots []*x509.Certificate) {
	var left []*x509.Certificate
	for _, c := range others {
		switch {
		case c.Equal(leaf), hasCertificate(left, c), hasCertificate(roots, c): // openssl writes one twice if it is given twice
		case signedItself(c):
			roots = append(roots, c)
		default:
			left = append(left, c)
		}
	}
	for at := leaf; at != nil && len(left) > 0; {
		next := slices.IndexFunc(left, func(c *x509.Certificate) bool { return Signed(c, at) })
		if next < 0 {
			break
		}
		at = left[next]
		chain, left = append(chain, at), slices.Delete(left, next, next+1)
	}
	return append(chain, left...), roots
}

// signedItself reports whether the certificate names itself as its issuer.
func signedItself(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }
