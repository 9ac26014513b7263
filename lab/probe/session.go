package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"
)

// verdictGrace is how long a TLS 1.3 server that sends no session ticket may
// take to refuse. Go's servers send one, so for Nomad it is never waited for.
const verdictGrace = 3 * time.Second

// session is one connection to an agent, plaintext or TLS.
type session struct {
	net.Conn
	// established is true once a TLS 1.2 handshake is done; the agent has then
	// accepted the caller. A plaintext session never is.
	established bool
	// result tells the same for TLS 1.3, where the agent may refuse later.
	verdict *verdict
	facts   tlsFacts
	first   chan firstRead
	// release unbinds the connection from the context that it was dialled with.
	release func()
	// since is when it was dialled; zero where the other side has dialled it.
	since time.Time
}

// tlsFacts are what a handshake has told, in words.
type tlsFacts struct {
	version, suite, certificate, protocol string
	served                                []*x509.Certificate
	acceptable                            [][]byte
}

// firstRead is the first byte after a handshake, read ahead to see the result.
type firstRead struct {
	b   byte
	n   int
	err error
}

// secure does the TLS handshake and waits for the agent's result on it. An
// error means that the handshake was not accepted, or that there is no result.
func (s *session) secure(ctx context.Context, config *tls.Config) error {
	v := &verdict{accepted: make(chan struct{})}
	config.ClientSessionCache = v
	inner := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		// Here, not after the handshake: under TLS 1.2 a refused caller has no "after".
		acceptable := s.facts.acceptable
		s.facts = factsOf(state)
		s.facts.acceptable = acceptable
		if inner == nil {
			return nil
		}
		return inner(state)
	}
	s.noteAcceptable(config)
	conn := tls.Client(s.Conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	s.Conn = conn
	if conn.ConnectionState().Version >= tls.VersionTLS13 {
		s.verdict = v
		return s.awaitVerdict(ctx, conn, v)
	}
	s.established = true
	return nil
}

// noteAcceptable keeps the names of the authorities that the agent sends with its request for a certificate.
func (s *session) noteAcceptable(config *tls.Config) {
	give := config.GetClientCertificate
	config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		s.facts.acceptable = append([][]byte{}, request.AcceptableCAs...)
		if give == nil {
			return &tls.Certificate{}, nil
		}
		return give(request)
	}
}

// accepted is false until the agent has accepted the TLS handshake. Of a TLS 1.3
// server that sends no tickets it is never known: that the connection ended is
// then taken for a refusal of the handshake.
func (s *session) accepted() bool {
	return s.established || s.verdict != nil && s.verdict.given()
}

// awaitVerdict returns nil when the server has accepted the caller, or is taken
// to have.
func (s *session) awaitVerdict(ctx context.Context, conn *tls.Conn, v *verdict) error {
	first := make(chan firstRead, 1)
	go func() {
		var b [1]byte
		n, err := conn.Read(b[:])
		first <- firstRead{b: b[0], n: n, err: err}
	}()
	grace := time.NewTimer(verdictGrace)
	defer grace.Stop()
	select {
	case <-v.accepted:
	case <-grace.C:
	case <-ctx.Done():
		return ctx.Err()
	case r := <-first:
		if err := v.against(r); err != nil {
			return err
		}
		first <- r
	}
	s.first = first
	return nil
}

// Read reads what the agent sends, the byte that was read ahead included.
func (s *session) Read(p []byte) (int, error) {
	if s.first == nil || len(p) == 0 {
		return s.Conn.Read(p)
	}
	r := <-s.first
	s.first = nil
	if r.n == 1 {
		p[0] = r.b
		return 1, nil
	}
	return 0, r.err
}

// factsOf describes the connection and the certificate that the agent presented.
func factsOf(state tls.ConnectionState) tlsFacts {
	facts := tlsFacts{version: tls.VersionName(state.Version), suite: tls.CipherSuiteName(state.CipherSuite)}
	facts.served, facts.protocol = state.PeerCertificates, state.NegotiatedProtocol
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		facts.certificate = clean(fmt.Sprintf("CN %s; valid until %s; issued by CN %s; names %s",
			leaf.Subject.CommonName, leaf.NotAfter.UTC().Format(time.RFC3339),
			leaf.Issuer.CommonName, strings.Join(leaf.DNSNames, ", ")))
	}
	return facts
}
