package pki

// ParseAuthority returns the authority of a certificate and its key in PEM, whose holders trust that certificate alone. It is
// LoadAuthority without files: of the options it uses LeafTTL and Now. It returns the errors of PendingWithKey and of Complete.
func ParseAuthority(certificate, key []byte, o Options) (*Authority, error) {
	p, err := PendingWithKey(key, o)
	if err != nil {
		return nil, err
	}
	return p.Complete(certificate, certificate)
}
