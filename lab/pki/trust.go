package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// NameText returns a distinguished name (DER), such as a certificate's RawSubject, as text. Its parts keep their order, and none
// is left out, unlike in crypto/x509/pkix.Name.
func NameText(der []byte) string {
	var sequence pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &sequence); err != nil {
		return "a name that cannot be read"
	}
	return oneLine(sequence.String())
}

// Signed reports whether the key of parent has signed the certificate, and the certificate names parent as its issuer. Names are
// compared byte by byte, as in crypto/x509; the signature distinguishes two authorities of one name. Signed does not look at
// validity, nor at whether parent may sign.
func Signed(parent, c *x509.Certificate) bool {
	return bytes.Equal(parent.RawSubject, c.RawIssuer) &&
		parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// LeadsTo returns those of the authorities to which a certificate leads: that signed it, or signed an authority to which it
// leads. chain is what its holder sends along, and may hold intermediate authorities. A certificate that is itself among the
// authorities leads to itself. The result has the order of authorities, and is empty if the certificate leads to none.
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

// hasCertificate reports whether the certificate is among all.
func hasCertificate(all []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(all, func(other *x509.Certificate) bool { return other.Equal(c) })
}

// Anchors returns the authorities of all the credentials' bundles, each once: in anchors those to which one of the credentials'
// certificates leads, and in unused the others. An unused authority is of no use to the holders, and agents that trust it accept
// every certificate that it signs. Anchors returns an error for PEM that cannot be read.
func Anchors(credentials ...Credential) (anchors, unused []*x509.Certificate, err error) {
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
	unused = slices.DeleteFunc(authorities, func(a *x509.Certificate) bool { return hasCertificate(anchors, a) })
	return anchors, unused, nil
}
