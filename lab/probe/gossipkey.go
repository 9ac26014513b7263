package probe

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// GossipKey is the key that a caller encrypts gossip with. The zero GossipKey is none: the caller sends plaintext.
type GossipKey struct {
	label string
	// sealer encrypts and decrypts; the key itself is not kept. It puts a random nonce before what it encrypts.
	sealer cipher.AEAD
	fault  error
}

// NewGossipKey returns the key that Nomad's server.encrypt has in this form: base64 of 16, 24 or 32 bytes. The label follows
// "with" in a probe's sentence: "the cluster's gossip key". A probe with a key in another form observes NotReached.
func NewGossipKey(encoded, label string) GossipKey {
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		// Not err itself: it says where in the key the fault is.
		return GossipKey{label: label, fault: fmt.Errorf("%s is not base64", label)}
	}
	return newGossipKey(secret, label)
}

func newGossipKey(secret []byte, label string) GossipKey {
	key := GossipKey{label: label}
	block, err := aes.NewCipher(secret)
	if err != nil {
		key.fault = fmt.Errorf("%s has %d bytes, where 16, 24 or 32 are possible", label, len(secret))
		return key
	}
	if key.sealer, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		key.fault = fmt.Errorf("encrypt with %s: %w", label, err)
	}
	return key
}

// String returns the key's label. It contains nothing of the key.
func (k GossipKey) String() string {
	if k.none() {
		return "no gossip key"
	}
	return k.label
}

// GoString keeps the key out of %#v.
func (k GossipKey) GoString() string { return "probe.GossipKey{" + k.String() + "}" }

// none reports whether the caller sends plaintext.
func (k GossipKey) none() bool { return k.sealer == nil && k.fault == nil }

// sealVersion is memberlist's encryption without padding, which every protocol version above 1 uses (security.go).
const sealVersion = 1

// sealOverhead is by how many bytes a sealed message is longer than its content: version, nonce and tag.
const sealOverhead = 1 + 12 + 16

// seal returns the message as it is sent over a stream: its type, its length, and the encrypted message. The encryption also
// authenticates type and length (memberlist net.go, encryptLocalState). Without a key it returns the message as it is.
func (k GossipKey) seal(message []byte) ([]byte, error) {
	if k.fault != nil {
		return nil, k.fault
	}
	if k.none() {
		return message, nil
	}
	header := binary.BigEndian.AppendUint32([]byte{gossipEncrypted}, uint32(len(message)+sealOverhead))
	sealed := append(bytes.Clone(header), sealVersion)
	return k.sealer.Seal(sealed, nil, message, header), nil
}

// open decrypts what follows the type and the length.
func (k GossipKey) open(sealed []byte, size [4]byte) (plain []byte, opens bool) {
	if k.sealer == nil || len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, false
	}
	plain, err := k.sealer.Open(nil, nil, sealed[1:], append([]byte{gossipEncrypted}, size[:]...))
	return plain, err == nil
}
