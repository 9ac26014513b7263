package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	certificateBlock = "CERTIFICATE"
	sec1Block        = "EC PRIVATE KEY"
	pkcs1Block       = "RSA PRIVATE KEY"
	pkcs8Block       = "PRIVATE KEY"
)

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a P-256 key: %w", err)
	}
	return key, nil
}

func encodeCertificate(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Raw})
}

// encodeKey writes an EC key in the SEC 1 form that `nomad tls` gives, and a
// loaded key of another kind in PKCS 8.
func encodeKey(key crypto.Signer) ([]byte, error) {
	block := pem.Block{Type: pkcs8Block}
	var err error
	if ec, ok := key.(*ecdsa.PrivateKey); ok {
		block.Type = sec1Block
		block.Bytes, err = x509.MarshalECPrivateKey(ec)
	} else {
		block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the private key: %w", err)
	}
	return pem.EncodeToMemory(&block), nil
}

// decodeCertificates reads every certificate or none: a bundle of which one part
// is silently skipped, as x509.CertPool does, trusts other than its text says.
func decodeCertificates(text []byte) ([]*x509.Certificate, error) {
	begins := bytes.Count(text, []byte("-----BEGIN "))
	var certs []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != certificateBlock {
			return nil, fmt.Errorf("PEM block %q where only certificates belong", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	switch {
	case begins == 0:
		return nil, errors.New("no certificate in PEM form")
	case len(certs) != begins:
		return nil, fmt.Errorf("damaged PEM: %d of %d blocks can be read", len(certs), begins)
	}
	return certs, nil
}

// decodeKey reads the forms that Nomad reads (helper/tlsutil/generate.go:314).
// Its errors never quote the text.
func decodeKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no private key in PEM form")
	}
	var key any
	var err error
	switch block.Type {
	case sec1Block:
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case pkcs1Block:
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case pkcs8Block:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block %q where a private key belongs", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("damaged private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

func belongTogether(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}
