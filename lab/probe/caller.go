package probe

import (
	"crypto/tls"
	"errors"
	"fmt"

	"nomadlab.internal/lab/pki"
)

// Caller is who a probe pretends to be: the holder of a certificate, or nobody.
// The zero Caller is unusable; a probe with it observes NotReached.
type Caller struct {
	label      string
	maxVersion uint16
	config     func(serverName string) (*tls.Config, error)
}

// As is a caller that presents the credential's certificate, whether or not the
// agent says that it accepts that issuer.
func As(c pki.Credential) Caller {
	return Caller{label: "a certificate for " + c.Identity.Name(), config: c.ClientTLS}
}

// Anonymous is a caller that trusts the credential's CA, so that it completes
// its own side of the handshake, and presents no certificate.
func Anonymous(trusting pki.Credential) Caller {
	return Caller{label: "no certificate", config: trusting.AnonymousTLS}
}

// Called returns the caller under another label, which follows "with" in a
// probe's sentence: "an expired certificate for server.global.nomad".
func (c Caller) Called(label string) Caller {
	c.label = label
	return c
}

// TLSAtMost returns the caller with TLS capped at the version, for example
// tls.VersionTLS12. Its sentence says so.
func (c Caller) TLSAtMost(version uint16) Caller {
	c.maxVersion = version
	return c
}

// String is the caller's label with its cap. It tells nothing of the key.
func (c Caller) String() string {
	if c.maxVersion == 0 {
		return c.label
	}
	return fmt.Sprintf("%s and at most %s", c.label, tls.VersionName(c.maxVersion))
}

// tlsConfig is a configuration that nobody else holds.
func (c Caller) tlsConfig(serverName string) (*tls.Config, error) {
	if c.config == nil {
		return nil, errors.New("the caller is empty: build it with probe.As or probe.Anonymous")
	}
	config, err := c.config(serverName)
	if err != nil {
		return nil, fmt.Errorf("prepare TLS with %s: %w", c.label, err)
	}
	config = config.Clone()
	if c.maxVersion != 0 {
		config.MaxVersion = c.maxVersion
		if c.maxVersion < tls.VersionTLS12 {
			config.MinVersion = c.maxVersion
		}
	}
	return config, nil
}
