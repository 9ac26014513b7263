package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// Credential is a certificate, its key and the CA bundle, as one caller holds it.
// The zero Credential is nobody's: its methods return errors.
//
// It prints without its key: by fmt with any verb, by slog, and as JSON, YAML or
// text. Two ways round that stay open, as fmt calls no methods there: printing
// KeyPEM itself, and printing a struct that holds a Credential by value in an
// unexported field. Hold it there by pointer.
type Credential struct {
	// Identity is who the certificate speaks for; where it was made with a Defect,
	// who it would speak for.
	Identity Identity
	// CertPEM is the certificate, followed by intermediates if there are any.
	CertPEM []byte
	// KeyPEM is the private key, SEC 1 "EC PRIVATE KEY" as issued here. Secret.
	KeyPEM []byte
	// CAPEM are the certificates of the authorities that the holder trusts.
	CAPEM []byte
}

// TLSCertificate is the certificate with its key, for a tls.Config. It returns an
// error when either cannot be read or they do not belong together.
func (c Credential) TLSCertificate() (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate and key of %s: %w", c.Identity, err)
	}
	return cert, nil
}

// Leaf is the certificate itself, parsed. It returns an error when the PEM cannot
// be read.
func (c Credential) Leaf() (*x509.Certificate, error) {
	certs, err := c.Chain()
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

// Chain is the certificate, parsed, and behind it the authorities that its holder sends along. It returns an error when any
// part of the PEM cannot be read.
func (c Credential) Chain() ([]*x509.Certificate, error) {
	certs, err := decodeCertificates(c.CertPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w", c.Identity, err)
	}
	return certs, nil
}

// NameFor is the name that whoever connects to the holder is to expect: wanted where the certificate is for it, else the first
// name or address that it is for. wanted is returned of a certificate that is for none.
func (c Credential) NameFor(wanted string) string {
	leaf, err := c.Leaf()
	if err != nil || leaf.VerifyHostname(wanted) == nil {
		return wanted
	}
	for _, name := range leaf.DNSNames {
		if leaf.VerifyHostname(name) == nil {
			return name
		}
	}
	for _, ip := range leaf.IPAddresses {
		return ip.String()
	}
	return wanted
}

// NotAfter is when the certificate expires, or expired. It returns Leaf's errors.
func (c Credential) NotAfter() (time.Time, error) {
	leaf, err := c.Leaf()
	if err != nil {
		return time.Time{}, err
	}
	return leaf.NotAfter, nil
}

// Authorities are the certificates of the CA bundle. It returns an error when any
// part of the bundle cannot be read.
func (c Credential) Authorities() ([]*x509.Certificate, error) {
	authorities, err := decodeCertificates(c.CAPEM)
	if err != nil {
		return nil, fmt.Errorf("read CA bundle of %s: %w", c.Identity, err)
	}
	return authorities, nil
}

// Pool is the CA bundle, for a tls.Config. It returns an error when any part of
// the bundle cannot be read.
func (c Credential) Pool() (*x509.CertPool, error) {
	authorities, err := c.Authorities()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, authority := range authorities {
		pool.AddCert(authority)
	}
	return pool, nil
}

// ClientTLS is the TLS configuration of a caller that trusts the CA bundle and
// ALWAYS presents this certificate when asked for one. crypto/tls by itself
// presents none when the issuer is not among the authorities that the server
// names, and then a foreign certificate looks like no certificate: Nomad answers
// "certificate required" to both (verified against Nomad 1.11.3).
//
// serverName is what the server's certificate is verified for, e.g.
// "server.global.nomad"; zero: the host that is dialled, where the dialler fills
// it in, as net/http does. The errors are TLSCertificate's and Pool's.
func (c Credential) ClientTLS(serverName string) (*tls.Config, error) {
	cert, err := c.TLSCertificate()
	if err != nil {
		return nil, err
	}
	config, err := c.AnonymousTLS(serverName)
	if err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &cert, nil
	}
	return config, nil
}

// AnonymousTLS is the TLS configuration of a caller that trusts the CA bundle and
// presents no certificate, even when asked. serverName is as in ClientTLS; the
// errors are Pool's.
func (c Credential) AnonymousTLS(serverName string) (*tls.Config, error) {
	pool, err := c.Pool()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: serverName}, nil
}
