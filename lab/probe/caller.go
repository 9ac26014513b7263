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

// Caller is who a probe pretends to be: the holder of a certificate, or nobody, with an ACL token or none.
// The zero Caller is unusable; a probe with it observes NotReached.
type Caller struct {
	label, tokenLabel      string
	token                  string
	minVersion, maxVersion uint16
	suites                 []uint16
	orInClear, credulous   bool
	protocols              []string
	papers                 *papers
}

// papers are what a caller shows and trusts. They are read once, however often the caller calls.
type papers struct {
	// config is everybody's who calls with them.
	config func() (*tls.Config, error)
}

// As is a caller that presents the credential's certificate, whether or not the
// agent says that it accepts that issuer.
func As(c pki.Credential) Caller {
	return newCaller("a certificate for "+c.Identity.Name(), c.ClientTLS)
}

// Anonymous is a caller that trusts the credential's CA, so that it completes
// its own side of the handshake, and presents no certificate.
func Anonymous(trusting pki.Credential) Caller {
	return newCaller("no certificate", trusting.AnonymousTLS)
}

func newCaller(label string, config func(serverName string) (*tls.Config, error)) Caller {
	read := sync.OnceValues(func() (*tls.Config, error) { return config("") })
	return Caller{label: label, papers: &papers{config: read}}
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

// TLSAtLeast returns the caller with TLS from the version on. Its sentence says so.
func (c Caller) TLSAtLeast(version uint16) Caller {
	c.minVersion = version
	return c
}

// Suites returns the caller with these TLS 1.2 cipher suites and no others, which caps TLS at 1.2: the suites of 1.3 cannot
// be chosen. Its sentence says so.
func (c Caller) Suites(ids ...uint16) Caller {
	c.suites = slices.Clone(ids)
	c.maxVersion = tls.VersionTLS12
	return c
}

// ALPN returns the caller that offers these application protocols, the one it likes best first, for example "h2". Its
// sentence says so. What it sends stays HTTP/1.1: whether the agent agreed is in Observation.Protocol.
func (c Caller) ALPN(protocols ...string) Caller {
	c.protocols = slices.Clone(protocols)
	return c
}

// WithToken returns the caller with an ACL token, which goes with every HTTP request and RPC call. The label follows
// "and" in a probe's sentence: "a management token". The secret is in no sentence.
func (c Caller) WithToken(secret, label string) Caller {
	c.token, c.tokenLabel = secret, label
	return c
}

// OrInClear returns the caller as one whose requests and calls are about rights or limits, and not about TLS. They go in the clear
// to a Target that is known to take them so: requests with their token (HTTPInClear), calls that have none (RPCInClear).
func (c Caller) OrInClear() Caller {
	c.orInClear = true
	return c
}

// overHTTP is how the caller's requests go to an agent, as it stands in a probe's sentence.
func (c Caller) overHTTP() string {
	if c.orInClear {
		return "at the HTTP port with " + c.String()
	}
	return "over HTTPS with " + c.String()
}

// Credulous returns the caller as one that takes whatever certificate the agent shows, and has no ACL token: for what an agent
// tells of its cluster when the fault may be in that very certificate.
func (c Caller) Credulous() Caller {
	c.credulous, c.token, c.tokenLabel = true, "", ""
	return c
}

// String is the caller's label, with its token's label and its limits. It tells nothing of key or token.
func (c Caller) String() string {
	text := c.label
	if c.tokenLabel != "" {
		text += " and " + c.tokenLabel
	}
	if c.credulous {
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

// tlsConfig is a configuration that nobody else holds.
func (c Caller) tlsConfig(t Target) (*tls.Config, error) {
	if c.papers == nil {
		return nil, errors.New("the caller is empty: build it with probe.As or probe.Anonymous")
	}
	shared, err := c.papers.config()
	if err != nil {
		return nil, fmt.Errorf("prepare TLS with %s: %w", c.label, err)
	}
	config := shared.Clone()
	config.ServerName, config.CurvePreferences = t.ServerName, keyExchanges()
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
	config.InsecureSkipVerify = config.InsecureSkipVerify || c.credulous //nolint:gosec // such a caller has nothing to lose
	if t.pinned != nil {
		pin(config, t.pinned)
	}
	return config, nil
}

// keyExchanges are those of crypto/tls without the hybrid ones of ML-KEM, which no check is about and which make a handshake
// cost both sides a fifth more.
func keyExchanges() []tls.CurveID {
	return []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
}

// pin makes that very certificate the only one that is trusted, whoever signed it and whatever is wrong with it.
func pin(config *tls.Config, trusted *x509.Certificate) {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 || !state.PeerCertificates[0].Equal(trusted) {
			return errors.New("this is not the certificate of our own listener")
		}
		return nil
	}
}
