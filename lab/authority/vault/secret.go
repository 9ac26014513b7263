package vault

import (
	"fmt"
	"log/slog"
)

// Secret is a token or an unseal key. It prints as "…" with every verb of fmt, with slog, and as JSON, YAML or text. The zero
// Secret is none.
type Secret struct{ text string }

// NewSecret returns a Secret with that text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// Format prints "…" for every verb.
func (Secret) Format(state fmt.State, _ rune) { fmt.Fprint(state, "…") }

// String returns "…".
func (Secret) String() string { return "…" }

// LogValue returns what slog writes: "…".
func (Secret) LogValue() slog.Value { return slog.StringValue("…") }

// MarshalText returns "…", for encoders. It returns no error.
func (Secret) MarshalText() ([]byte, error) { return []byte("…"), nil }
