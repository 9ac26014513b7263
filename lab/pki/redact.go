package pki

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// String names the holder. It never shows the key.
func (c Credential) String() string {
	return fmt.Sprintf("credential of %s (key withheld)", c.Identity)
}

// GoString is String, for %#v.
func (c Credential) GoString() string { return c.String() }

// Format prints String whatever the verb: Stringer alone leaves %d and %o to print
// the bytes of the key.
func (c Credential) Format(state fmt.State, verb rune) {
	switch verb {
	case 'v', 's', 'q', 'x', 'X':
		fmt.Fprintf(state, fmt.FormatString(state, verb), c.String())
	default:
		fmt.Fprint(state, c.String())
	}
}

// LogValue is what slog writes: the identity alone.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, for YAML, TOML and XML encoders. It returns no error.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalJSON writes the identity and the two public parts. There is no way back:
// a credential is stored with Save. It returns no error of its own.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Identity    Identity
		Certificate string
		CA          string
	}{c.Identity, string(publicPart(c.CertPEM)), string(publicPart(c.CAPEM))})
}
