package pki

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// String returns the holder's identity, without the key.
func (c Credential) String() string {
	return fmt.Sprintf("credential of %s (key withheld)", c.Identity)
}

// GoString returns String, for %#v.
func (c Credential) GoString() string { return c.String() }

// Format prints String for every verb: with a Stringer alone, %d and %o would print
// the bytes of the key.
func (c Credential) Format(state fmt.State, verb rune) {
	switch verb {
	case 'v', 's', 'q', 'x', 'X':
		fmt.Fprintf(state, fmt.FormatString(state, verb), c.String())
	default:
		fmt.Fprint(state, c.String())
	}
}

// LogValue returns what slog writes: String.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns String, for YAML, TOML and XML encoders. It returns no error.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalJSON returns the identity, the certificate and the CA bundle, without the key.
// It cannot be unmarshalled: use Save and LoadCredential to store a credential.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Identity    Identity
		Certificate string
		CA          string
	}{c.Identity, string(publicPart(c.CertPEM)), string(publicPart(c.CAPEM))})
}
