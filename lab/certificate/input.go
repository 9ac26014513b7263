package certificate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
)

// Input is what was read from one place. Of private keys it has the public halves only.
type Input struct {
	pki.Material
	// Place is the path, or HOST:PORT.
	Place string
	// Format is PEM, DER, PKCS#12 or TLS.
	Format string
	// Mode is the file's. Zero: it is no file.
	Mode fs.FileMode
	// KeyFirst is true for a PEM file in which a private key stands before the first certificate.
	KeyFirst bool
	// Wrong says, as a sentence, that Nomad cannot read the format, and how to convert the file. Empty: it can.
	Wrong string
	// Damaged says which part cannot be read, and Unread why the whole place cannot. Both are empty for a sound place.
	Damaged, Unread string
	// Port says what a live port said. Nil: it is no port.
	Port *Port
}

// Holds reports whether the place has, or may have, a certificate or a key.
func (i Input) Holds() bool {
	return len(i.Certificates)+len(i.Keys)+i.Unreadable > 0 || i.Wrong != "" || i.Damaged != "" || i.Unread != ""
}

// Decode reads the text of a file in PEM or DER, or a PKCS#12 file with its password. place is its path, for remedies. It returns
// pki.ErrWrongPassword or pki.ErrNotPFX, wrapped, for a PKCS#12 file that it cannot open, together with what is known of the file.
func Decode(text []byte, place, password string) (Input, error) {
	i := Input{Place: place, Format: "PEM", Wrong: pki.WrongFormat(text, place)}
	if first, _ := pem.Decode(text); first == nil && bytes.HasPrefix(text, []byte{0x30}) { // a SEQUENCE, as of DER
		i.Format = "DER"
		if strings.HasPrefix(i.Wrong, "it is a PKCS#12 file") {
			i.Format = "PKCS#12"
			return i.decodePFX(text, password)
		}
	}
	i.Material = pki.ReadMaterial(text)
	i.KeyFirst = keyFirst(text)
	if _, err := pki.DecodeCertificates(text); err != nil && bytes.Contains(text, []byte("-----BEGIN CERTIFICATE-----")) {
		i.Damaged = err.Error()
	}
	return i, nil
}

// decodePFX adds what a PKCS#12 file has.
func (i Input) decodePFX(text []byte, password string) (Input, error) {
	c, err := pki.DecodePFX(text, password)
	if err != nil {
		return i, err
	}
	i.Material = pki.ReadMaterial(bytes.Join([][]byte{c.CertPEM, c.CAPEM, c.KeyPEM}, nil))
	return i, nil
}

// keyFirst reports whether a private key stands before the first certificate.
func keyFirst(text []byte) bool {
	key := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return key
		}
		key = key || strings.HasSuffix(block.Type, "PRIVATE KEY") || block.Type == "EC PARAMETERS" // openssl writes them before a key
	}
	return false
}

// sortKinds parts the certificates of a place: those of holders, and their issuers and other authorities. A certificate that has
// signed another one there is an issuer, even if it may not sign.
func (i Input) sortKinds() (holders, authorities []*x509.Certificate) {
	for _, c := range i.Certificates {
		signs := slices.ContainsFunc(i.Certificates, func(other *x509.Certificate) bool { return !other.Equal(c) && pki.Signed(c, other) })
		if isAuthority(c) || signs {
			authorities = append(authorities, c)
		} else {
			holders = append(holders, c)
		}
	}
	return holders, authorities
}
