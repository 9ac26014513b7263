package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"nomadlab.internal/lab/pki"
)

// Caller is who a probe calls as: the holder of a certificate or of none, with an ACL token or none. The zero Caller is
// unusable: a probe with it observes NotReached.
type Caller struct {
	label, tokenLabel       string
	token                   string
	minVersion, maxVersion  uint16
	suites                  []uint16
	orPlaintext, skipVerify bool
	protocols               []string
	// config returns what the caller presents and trusts. It is read once, and shared by all copies of the caller.
	config func() (*tls.Config, error)
}

// As returns a caller that presents the credential's certificate, whether or not the agent says that it accepts the issuer.
func As(c pki.Credential) Caller {
	return newCaller("a certificate for "+c.Identity.Name(), c.ClientTLS)
}

// Anonymous returns a caller that trusts the credential's CA, so that it completes its own side of the handshake, and
// presents no certificate.
func Anonymous(trusting pki.Credential) Caller {
	return newCaller("no certificate", trusting.AnonymousTLS)
}

func newCaller(label string, config func(serverName string) (*tls.Config, error)) Caller {
	return Caller{label: label, config: sync.OnceValues(func() (*tls.Config, error) { return config("") })}
}

// WithLabel returns the caller under another label, which follows "with" in a probe's sentence: "an expired certificate for
// server.global.nomad".
func (c Caller) WithLabel(label string) Caller {
	c.label = label
	return c
}

// TLSAtMost returns the caller with TLS up to the version, for example tls.VersionTLS12. Its sentence says so.
func (c Caller) TLSAtMost(version uint16) Caller {
	c.maxVersion = version
	return c
}

// TLSAtLeast returns the caller with TLS from the version on. Its sentence says so.
func (c Caller) TLSAtLeast(version uint16) Caller {
	c.minVersion = version
	return c
}

// WithSuites returns the caller with only these TLS 1.2 cipher suites, and with TLS up to 1.2: the suites of 1.3 cannot be
// chosen. Its sentence says so.
func (c Caller) WithSuites(ids ...uint16) Caller {
	c.suites = slices.Clone(ids)
	c.maxVersion = tls.VersionTLS12
	return c
}

// WithALPN returns the caller that offers these application protocols, the preferred one first, for example "h2". Its sentence
// says so. What it sends stays HTTP/1.1; Observation.Protocol says what the agent agreed to.
func (c Caller) WithALPN(protocols ...string) Caller {
	c.protocols = slices.Clone(protocols)
	return c
}

// WithToken returns the caller with an ACL token, which every HTTP request and RPC call sends. The label follows "and" in a
// probe's sentence: "a management token". The secret is in no sentence.
func (c Caller) WithToken(secret, label string) Caller {
	c.token, c.tokenLabel = secret, label
	return c
}

// OrPlaintext returns the caller for requests that test rights or limits, and not TLS. To a Target that is known to accept
// plaintext they are sent in plaintext: HTTP requests with their token (HTTPPlaintext), RPC calls without one (RPCPlaintext).
func (c Caller) OrPlaintext() Caller {
	c.orPlaintext = true
	return c
}

// overHTTP says how the caller's requests are sent, as it stands in a probe's sentence.
func (c Caller) overHTTP() string {
	if c.orPlaintext {
		return "at the HTTP port with " + c.String()
	}
	return "over HTTPS with " + c.String()
}

// SkipVerify returns the caller that accepts every certificate of the agent, and has no ACL token: for questions about a
// cluster whose fault may be that certificate.
func (c Caller) SkipVerify() Caller {
	c.skipVerify, c.token, c.tokenLabel = true, "", ""
	return c
}

// String returns the caller's label, with its token's label and its limits. It contains nothing of the key or the token.
func (c Caller) String() string {
	text := c.label
	if c.tokenLabel != "" {
		text += " and " + c.tokenLabel
	}
	if c.skipVerify {
		text += ", whatever the agent's certificate"
	}
	if len(c.protocols) > 0 {
		text += " and ALPN " + strings.Join(c.protocols, ", ")
	}
	if c.minVersion != 0 {
		text += " and at least " + tls.VersionName(c.minVersion)
	}
	if len(c.suites) > 0 {
		names := make([]string, len(c.suites))
		for i, id := range c.suites {
			names[i] = tls.CipherSuiteName(id)
		}
		return text + " and only " + strings.Join(names, ", ")
	}
	if c.maxVersion != 0 {
		text += " and at most " + tls.VersionName(c.maxVersion)
	}
	return text
}

// GoString keeps the token out of %#v.
func (c Caller) GoString() string { return "probe.Caller{" + c.String() + "}" }

// tlsConfig returns a configuration for the target that nothing else uses.
func (c Caller) tlsConfig(t Target) (*tls.Config, error) {
	if c.config == nil {
		return nil, errors.New("the caller is empty: build it with probe.As or probe.Anonymous")
	}
	shared, err := c.config()
	if err != nil {
		return nil, fmt.Errorf("prepare TLS with %s: %w", c.label, err)
	}
	config := shared.Clone()
	config.ServerName = t.ServerName
	// Without the hybrid key exchanges of ML-KEM, which no check is about, a handshake costs both sides a fifth less.
	config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	if c.minVersion != 0 {
		config.MinVersion = c.minVersion
	}
	if c.maxVersion != 0 {
		config.MaxVersion = c.maxVersion
		config.MinVersion = min(config.MinVersion, c.maxVersion)
	}
	if len(c.suites) > 0 {
		config.CipherSuites = c.suites
	}
	config.NextProtos = c.protocols
	config.InsecureSkipVerify = config.InsecureSkipVerify || c.skipVerify //nolint:gosec // such a caller sends no secret
	if t.pinned != nil {
		pin(config, t.pinned)
	}
	return config, nil
}

// pin makes config trust that one certificate and no other, without further verification.
func pin(config *tls.Config, trusted *x509.Certificate) {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 || !state.PeerCertificates[0].Equal(trusted) {
			return errors.New("this is not the certificate of our own listener")
		}
		return nil
	}
}
