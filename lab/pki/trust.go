package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// DecodeCertificates reads every certificate of a text in PEM, or none: a bundle of which a part is skipped in silence trusts
// other than its text says. Its error says what cannot be read.
func DecodeCertificates(text []byte) ([]*x509.Certificate, error) { return decodeCertificates(text) }

// EncodeCertificates writes certificates in PEM, one behind the other.
func EncodeCertificates(certs []*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, encodeCertificate(c)...)
	}
	return text
}

// NameText is a distinguished name (DER), such as a certificate's RawSubject, in words. The parts keep the order in which they
// stand: crypto/x509/pkix.Name has an order of its own, and drops what it does not know.
func NameText(der []byte) string {
	var sequence pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &sequence); err != nil {
		return "a name that cannot be read"
	}
	return oneLine(sequence.String())
}

// Signed reports whether the key of parent has signed the certificate, and parent bears the name that the certificate gives its
// issuer, byte by byte, as crypto/x509 compares names. Two authorities of one name are told apart by the signature. Whether
// parent may sign, and when either is valid, is not looked at.
func Signed(parent, c *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, c.RawIssuer) &&
		parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// LeadsTo returns those of the authorities to which a certificate leads: that have signed it, or signed an authority that it
// leads to. chain is what its holder sends along, and may have the authorities between. A certificate that is itself among the
// authorities leads to itself. The result has the order of authorities, and is empty where the certificate leads to none.
func LeadsTo(leaf *x509.Certificate, chain, authorities []*x509.Certificate) []*x509.Certificate {
	reached := []*x509.Certificate{leaf}
	known := slices.Concat(chain, authorities)
	for at := 0; at < len(reached); at++ {
		for _, parent := range known {
			if !hasCertificate(reached, parent) && Signed(parent, reached[at]) {
				reached = append(reached, parent)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(authorities), func(a *x509.Certificate) bool { return !hasCertificate(reached, a) })
}

func hasCertificate(all []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(all, func(other *x509.Certificate) bool { return other.Equal(c) })
}

// Anchors returns the authorities of all the credentials' bundles to which the certificate of one of them leads, each once; and
// strange, those to which none does. An authority that no certificate needs lets in whoever it signs for, and is of no use to
// the holders. It returns the errors of texts that cannot be read.
func Anchors(credentials ...Credential) (anchors, strange []*x509.Certificate, err error) {
	var authorities []*x509.Certificate
	for _, c := range credentials {
		bundle, err := c.Authorities()
		if err != nil {
			return nil, nil, err
		}
		for _, a := range bundle {
			if !hasCertificate(authorities, a) {
				authorities = append(authorities, a)
			}
		}
	}
	for _, c := range credentials {
		chain, err := c.Chain()
		if err != nil {
			return nil, nil, err
		}
		for _, a := range LeadsTo(chain[0], chain[1:], authorities) {
			if !hasCertificate(anchors, a) {
				anchors = append(anchors, a)
			}
		}
	}
	strange = slices.DeleteFunc(authorities, func(a *x509.Certificate) bool { return hasCertificate(anchors, a) })
	return anchors, strange, nil
}
