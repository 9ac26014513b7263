package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// ticketWait is how long a TLS 1.3 server that sends no session ticket may take to refuse. Go's servers send one, so that no
// probe of Nomad waits for it.
const ticketWait = 3 * time.Second

// session is one connection to an agent, plaintext or TLS.
type session struct {
	net.Conn
	// established is true once a TLS 1.2 handshake is done: the agent has accepted the caller. It stays false in plaintext.
	established bool
	// result says the same for TLS 1.3, where the agent may refuse later.
	result *handshakeResult
	facts  tlsFacts
	first  chan firstRead
	// release unbinds the connection from the context that it is bound to.
	release func()
	// since is when the connection was dialled; zero if the other side dialled it.
	since time.Time
}

// tlsFacts describe a handshake.
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

// dial connects from the address from, or from any if it is empty, and binds the connection to ctx.
func dial(ctx context.Context, from, addr string) (*session, error) {
	dialer := &net.Dialer{}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	since := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	release, err := bound(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("bound the connection to %s: %w", addr, err)
	}
	return &session{Conn: conn, release: release, since: since}, nil
}

// bound ends every read and write on the connection when ctx is done, until release is called.
func bound(ctx context.Context, conn net.Conn) (release func(), err error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }, nil
}

// bind binds the connection to ctx, and to no other context.
func (s *session) bind(ctx context.Context) error {
	s.release()
	release, err := bound(ctx, s.Conn)
	if err == nil {
		s.release = release
	}
	return err
}

// hangUp closes the connection without a TLS alert.
func (s *session) hangUp() {
	s.release()
	conn := s.Conn
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	_ = conn.Close()
}

// secure does the TLS handshake and waits for the agent's result of it. An error means that the handshake was not accepted,
// or that there is no result.
func (s *session) secure(ctx context.Context, config *tls.Config) error {
	result := &handshakeResult{accepted: make(chan struct{})}
	config.ClientSessionCache = result
	inner := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		// Here and not after the handshake: under TLS 1.2 a refused caller's handshake returns an error.
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
		s.result = result
		return s.awaitResult(ctx, conn)
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

// accepted reports whether the agent has accepted the TLS handshake. It stays false for a TLS 1.3 server that sends no
// tickets: the end of such a connection counts as a refusal of the handshake.
func (s *session) accepted() bool {
	return s.established || s.result != nil && s.result.isAccepted()
}

// awaitResult returns nil when the server has accepted the caller, or counts as having accepted.
func (s *session) awaitResult(ctx context.Context, conn *tls.Conn) error {
	first := make(chan firstRead, 1)
	go func() {
		var b [1]byte
		n, err := conn.Read(b[:])
		first <- firstRead{b: b[0], n: n, err: err}
	}()
	wait := time.NewTimer(ticketWait)
	defer wait.Stop()
	select {
	case <-s.result.accepted:
	case <-wait.C:
	case <-ctx.Done():
		return ctx.Err()
	case r := <-first:
		if err := s.result.refusal(r); err != nil {
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

// handshakeResult is a session cache that stores nothing and offers nothing: it turns the arrival of a TLS 1.3 session ticket
// into an event. A client without a cache announces to the server that it uses no tickets, and gets none.
type handshakeResult struct {
	once     sync.Once
	accepted chan struct{}
}

// Get offers no session, so that each probe does a full handshake.
func (v *handshakeResult) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put is called when a ticket has come. crypto/tls puts nil to remove a session.
func (v *handshakeResult) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		v.once.Do(func() { close(v.accepted) })
	}
}

// isAccepted reports whether a ticket has come.
func (v *handshakeResult) isAccepted() bool {
	select {
	case <-v.accepted:
		return true
	default:
		return false
	}
}

// refusal returns the error of a first read that refuses the handshake: one before which no ticket has come. A ticket that
// came in the same read as the connection's end still came first; the request then meets that end.
func (v *handshakeResult) refusal(r firstRead) error {
	if v.isAccepted() {
		return nil
	}
	return r.err
}

// lateRead is how much longer staysOpen reads if input is left when the wait is over.
const lateRead = 100 * time.Millisecond

// staysOpen reads and drops input until the wait is over, and returns nil if the connection is still open. It returns early
// with the error that ended the connection, or that of ctx. Afterwards the connection is bound to ctx alone, as before.
func (s *session) staysOpen(ctx context.Context, wait time.Duration) error {
	ended := s.drain(ctx, wait)
	if errors.Is(ended, os.ErrDeadlineExceeded) && ctx.Err() == nil && hasInput(s.Conn) {
		ended = s.drain(ctx, lateRead) // on a busy machine the wait may be over before the first read
	}
	deadline, _ := ctx.Deadline()
	if err := s.SetReadDeadline(deadline); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(ended, os.ErrDeadlineExceeded):
		return nil
	default:
		return ended
	}
}

// drain reads and drops input until the wait is over or the connection has ended, and returns the error that ended it.
func (s *session) drain(ctx context.Context, wait time.Duration) error {
	if err := s.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	for b := make([]byte, 512); ctx.Err() == nil; {
		if _, err := s.Read(b); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// clientHello returns the first flight of a TLS handshake, as one record.
func clientHello(ctx context.Context, serverName string) ([]byte, error) {
	conn := &writeOnlyConn{}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName, InsecureSkipVerify: serverName == ""}
	if err := tls.Client(conn, config).HandshakeContext(ctx); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("write a ClientHello: %w", err)
	}
	return conn.written.Bytes(), nil
}

// writeOnlyConn is a connection that keeps what is written, and on which nothing comes.
type writeOnlyConn struct {
	net.Conn
	written bytes.Buffer
}

func (c *writeOnlyConn) Write(p []byte) (int, error) { return c.written.Write(p) }
func (*writeOnlyConn) Read([]byte) (int, error)      { return 0, io.EOF }
func (*writeOnlyConn) Close() error                  { return nil }
