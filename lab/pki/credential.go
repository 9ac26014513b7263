package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Credential is a certificate, its key and a CA bundle, as one caller holds them.
// The methods of the zero Credential return errors.
//
// A Credential prints without its key: with every verb of fmt, with slog, and as
// JSON, YAML or text. There are two exceptions, because fmt calls no method there:
// KeyPEM itself, and a struct that holds a Credential by value in an unexported
// field. Hold it there by pointer.
type Credential struct {
	// Identity is whom the certificate speaks for, or would speak for without its Defect.
	Identity Identity
	// CertPEM is the certificate, followed by its intermediates, if any.
	CertPEM []byte
	// KeyPEM is the private key, SEC 1 "EC PRIVATE KEY" as issued here. Secret.
	KeyPEM []byte
	// CAPEM are the certificates of the authorities that the holder trusts.
	CAPEM []byte
}

// TLSCertificate returns the certificate with its key, for a tls.Config. It returns an
// error if either cannot be read or they do not belong together.
func (c Credential) TLSCertificate() (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate and key of %s: %w", c.Identity, err)
	}
	return cert, nil
}

// Leaf returns the holder's own certificate. It returns the errors of Chain.
func (c Credential) Leaf() (*x509.Certificate, error) {
	certs, err := c.Chain()
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

// Chain returns the certificate and the intermediates that its holder sends along. It returns an error if any part of the PEM
// cannot be read.
func (c Credential) Chain() ([]*x509.Certificate, error) {
	certs, err := DecodeCertificates(c.CertPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w", c.Identity, err)
	}
	return certs, nil
}

// NameFor returns the name for which a caller should verify the certificate: wanted if the certificate is valid for it, else the
// first name or address that it is valid for. It returns wanted if there is none, or the certificate cannot be read.
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

// NotAfter returns when the certificate expires. It returns the errors of Leaf.
func (c Credential) NotAfter() (time.Time, error) {
	leaf, err := c.Leaf()
	if err != nil {
		return time.Time{}, err
	}
	return leaf.NotAfter, nil
}

// Authorities returns the certificates of the CA bundle. It returns an error if any
// part of the bundle cannot be read.
func (c Credential) Authorities() ([]*x509.Certificate, error) {
	authorities, err := DecodeCertificates(c.CAPEM)
	if err != nil {
		return nil, fmt.Errorf("read CA bundle of %s: %w", c.Identity, err)
	}
	return authorities, nil
}

// Pool returns the CA bundle, for a tls.Config. It returns the errors of Authorities.
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

// presented returns what a caller sends: the certificates in their order, also where an authority's stands before the holder's
// own. It returns the errors of TLSCertificate if the key belongs to none of them.
func (c Credential) presented() (tls.Certificate, error) {
	cert, err := c.TLSCertificate()
	if err == nil {
		return cert, nil
	}
	chain, chainErr := c.Chain()
	key, keyErr := decodeKey(c.KeyPEM)
	if chainErr != nil || keyErr != nil || !slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return SameKey(c.PublicKey, key.Public()) }) {
		return tls.Certificate{}, err
	}
	sent := tls.Certificate{PrivateKey: key}
	for _, c := range chain {
		sent.Certificate = append(sent.Certificate, c.Raw)
	}
	return sent, nil
}

// ClientTLS returns the TLS configuration of a caller that trusts the CA bundle and
// always presents this certificate when asked for one. By default crypto/tls presents
// none if the server does not name its issuer as acceptable; a foreign certificate
// would then look like no certificate, because Nomad answers "certificate required" to
// both (verified against Nomad 1.11.3).
//
// The server's certificate is verified for serverName, e.g. "server.global.nomad".
// Zero: for the dialled host, if the dialler fills it in, as net/http does. ClientTLS
// returns the errors of TLSCertificate and Pool.
func (c Credential) ClientTLS(serverName string) (*tls.Config, error) {
	cert, err := c.presented()
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

// AnonymousTLS returns the TLS configuration of a caller that trusts the CA bundle and
// presents no certificate, even when asked. serverName is as in ClientTLS. It returns
// the errors of Pool.
func (c Credential) AnonymousTLS(serverName string) (*tls.Config, error) {
	pool, err := c.Pool()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: serverName}, nil
}
