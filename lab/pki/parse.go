package pki

import (
	"errors"
	"fmt"
)

// ParseAuthority returns an authority of a certificate and its key in PEM. It is LoadAuthority without files: of the options it
// uses LeafTTL and Now. It returns an error for a certificate that is not an authority's, and for another key than the
// certificate's.
func ParseAuthority(certificate, key []byte, o Options) (*Authority, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	certs, err := DecodeCertificates(certificate)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	signer, err := decodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	switch cert := certs[0]; {
	case !cert.IsCA:
		return nil, fmt.Errorf("%s is not an authority", cert.Subject)
	case !SameKey(cert.PublicKey, signer.Public()):
		return nil, errors.New("the authority's key is not that of its certificate")
	default:
		return newAuthority(cert, signer, o), nil
	}
}
