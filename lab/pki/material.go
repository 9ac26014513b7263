package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
)

// Material holds the certificates and private keys of a file. Of a private key it holds the public half only, which identifies
// the key. The zero Material is that of a file with neither.
type Material struct {
	// Certificates are in the file's order.
	Certificates []*x509.Certificate
	// Keys are the public halves of the private keys.
	Keys []crypto.PublicKey
	// Unreadable counts the private keys that cannot be read, such as those under a passphrase.
	Unreadable int
}

// ReadMaterial reads the text of a file in PEM or DER. It passes over everything that is neither a certificate nor a private key.
func ReadMaterial(text []byte) Material {
	var m Material
	block, rest := pem.Decode(text)
	if block == nil {
		m.addDER(text)
		return m
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == certificateBlock:
			if c, err := x509.ParseCertificate(block.Bytes); err == nil {
				m.Certificates = append(m.Certificates, c)
			}
		case block.Type == ecParameters:
		case isOfKey(block.Type):
			m.addKey(pem.EncodeToMemory(block))
		}
	}
	return m
}

// addKey reads one private key in PEM.
func (m *Material) addKey(text []byte) {
	key, err := decodeKey(text)
	if err != nil {
		m.Unreadable++
		return
	}
	m.Keys = append(m.Keys, key.Public())
}

// addDER reads a certificate or a key in DER.
func (m *Material) addDER(der []byte) {
	if c, err := x509.ParseCertificate(der); err == nil {
		m.Certificates = append(m.Certificates, c)
		return
	}
	for _, kind := range []string{pkcs8Block, pkcs1Block, sec1Block} {
		if key, err := decodeKey(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})); err == nil {
			m.Keys = append(m.Keys, key.Public())
			return
		}
	}
}

// SameKey reports whether two public keys are equal.
func SameKey(a, b crypto.PublicKey) bool {
	known, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && known.Equal(b)
}

// MaySign reports whether verifiers such as crypto/x509 accept the certificate as that of an authority: a certificate of version 3
// must say that it is one, older versions cannot.
func MaySign(c *x509.Certificate) bool {
	return c.Version < 3 || c.BasicConstraintsValid && c.IsCA
}
