package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
)

// Material is what a file holds of certificates and private keys. Of a private key it has the public half alone, by which a
// key is known whatever its file is called. The zero Material is a file that holds neither.
type Material struct {
	// Certificates are in the order in which they stand.
	Certificates []*x509.Certificate
	// Keys are the public halves of the private keys.
	Keys []crypto.PublicKey
	// Unreadable counts private keys of which nothing is known, such as those under a passphrase.
	Unreadable int
}

// ReadMaterial reads a file in PEM or DER as far as it can: what is neither certificate nor private key is passed over.
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

// addDER reads what may be a certificate or a key without PEM around it.
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

// SameKey reports whether two public keys are one.
func SameKey(a, b crypto.PublicKey) bool {
	known, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && known.Equal(b)
}

// MaySign reports whether verifiers take the certificate for that of an authority, as crypto/x509 does: one of version 3 has to
// say so, older ones cannot.
func MaySign(c *x509.Certificate) bool {
	return c.Version < 3 || c.BasicConstraintsValid && c.IsCA
}
