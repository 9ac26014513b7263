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
	"strings"
)

const (
	certificateBlock = "CERTIFICATE"
	requestBlock     = "CERTIFICATE REQUEST"
	sec1Block        = "EC PRIVATE KEY"
	pkcs1Block       = "RSA PRIVATE KEY"
	pkcs8Block       = "PRIVATE KEY"
	ecParameters     = "EC PARAMETERS"
)

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a P-256 key: %w", err)
	}
	return key, nil
}

// EncodeCertificates returns the certificates in PEM, one after another.
func EncodeCertificates(certs []*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, encodeCertificate(c)...)
	}
	return text
}

func encodeCertificate(cert *x509.Certificate) []byte {
	return encodeBlock(certificateBlock, cert.Raw)
}

func encodeBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// encodeKey returns an EC key in SEC 1 form, as `nomad tls` writes it, and a key of
// another kind in PKCS 8.
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

// DecodeCertificates reads all certificates of a text in PEM. Unlike x509.CertPool it
// returns an error if one of them cannot be read: a bundle of which a part was skipped
// would trust less than its text says. Private keys are passed over, as in crypto/tls,
// because many agents have certificate and key in one file.
func DecodeCertificates(text []byte) ([]*x509.Certificate, error) {
	begins := bytes.Count(text, []byte("-----BEGIN "))
	var certs []*x509.Certificate
	keys, other := 0, ""
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if isOfKey(block.Type) {
			keys, other = keys+1, block.Type
			continue
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
	case len(certs)+keys != begins:
		return nil, fmt.Errorf("damaged PEM: %d of %d blocks can be read", len(certs)+keys, begins)
	case len(certs) == 0:
		return nil, fmt.Errorf("PEM block %q where only certificates belong", other)
	}
	return certs, nil
}

// isOfKey reports whether a PEM block of that type is a private key, or the parameters that openssl writes before one.
func isOfKey(block string) bool {
	return block == pkcs8Block || block == ecParameters || strings.HasSuffix(block, " "+pkcs8Block)
}

// publicPart returns the blocks of a PEM text that are not keys. A text that is not PEM has none.
func publicPart(text []byte) []byte {
	var public []byte
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return public
		}
		if !isOfKey(block.Type) {
			public = append(public, pem.EncodeToMemory(block)...)
		}
	}
}

// decodeKey reads a private key in the forms that Nomad reads
// (helper/tlsutil/generate.go:314). Its errors never quote the text.
func decodeKey(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no private key in PEM form")
	}
	for first := block; block.Type == ecParameters || block.Type == certificateBlock; {
		if block, rest = pem.Decode(rest); block == nil { // a certificate alone
			block = first
			break
		}
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
