package pki

import "fmt"

// PendingWithKey is NewRequest for an authority that exists: keyPEM is its private key, and Complete takes its certificate. Of
// the options it uses LeafTTL and Now. The error never quotes the key.
func PendingWithKey(keyPEM []byte, o Options) (*Pending, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("read the key of an authority: %w", err)
	}
	key, err := decodeKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read the key of an authority: %w", err)
	}
	return &Pending{key: key, options: o}, nil
}
