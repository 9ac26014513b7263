package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"

	msgpackrpc "github.com/hashicorp/net-rpc-msgpackrpc/v2"

	"nomadlab.internal/internal/deadline"
)

// ControlServer is a listener of this program that shows what a search must find. It is the control of a search, which would
// otherwise find as little if it could not see. Only the probe is meant to call it.
type ControlServer struct {
	// Title describes it, as it follows "a listener of our own": "whose certificate has a key of 1024 bits". Required.
	Title string
	// Certificate is what it presents, with its key. Required.
	Certificate tls.Certificate
	// ClientCAs are the authorities whose callers it says it accepts; it accepts every caller all the same. Nil: it asks for no
	// certificate.
	ClientCAs *x509.CertPool
	// Header and Body are in its answer to every HTTP request, with the status 200.
	Header http.Header
	Body   string
}

// AtControlServer returns the probe, one of the HTTP or the RPC plane, at the control server instead of an agent. During each
// observation the control server listens on a port of 127.0.0.1 that the system chooses. The probe's caller trusts the control
// server's certificate, and no other. On the RPC plane it answers one call of any method (0x04, TLS, 0x01).
func AtControlServer(p Probe, server ControlServer) Probe {
	at := p.wrap(func(ctx context.Context, t Target, inner func(context.Context, Target) Observation) Observation {
		addr, stop, err := server.start(ctx, p.Plane)
		if err != nil {
			return notReached(clean(fmt.Sprintf("listen as a control server: %v", err)))
		}
		defer stop()
		target := Target{Name: "control server", Role: t.Role, Region: t.Region, ServerName: t.ServerName, HTTP: addr, RPC: addr}
		if target.pinned, err = server.leaf(); err != nil {
			return notReached(clean(fmt.Sprintf("read the control server's certificate: %v", err)))
		}
		return inner(ctx, target)
	})
	at.Sentence = "the same at a listener of our own " + server.Title
	return at
}

// leaf returns the control server's own certificate.
func (s ControlServer) leaf() (*x509.Certificate, error) {
	if s.Certificate.Leaf != nil {
		return s.Certificate.Leaf, nil
	}
	if len(s.Certificate.Certificate) == 0 {
		return nil, errors.New("there is none: set ControlServer.Certificate")
	}
	return x509.ParseCertificate(s.Certificate.Certificate[0])
}

// tlsConfig returns the listener's configuration.
func (s ControlServer) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{s.Certificate}, ClientCAs: s.ClientCAs}
	if s.ClientCAs != nil {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// start listens until stop is called, which returns when every connection is closed.
func (s ControlServer) start(ctx context.Context, plane Plane) (addr string, stop func(), err error) {
	serve, ok := map[Plane]func(context.Context, net.Listener){PlaneHTTP: s.serveHTTP, PlaneRPC: s.serveRPC}[plane]
	if !ok {
		return "", nil, fmt.Errorf("the %s plane has no control server", cmp.Or(string(plane), "unknown"))
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	tracked := &trackingListener{Listener: listener}
	var serving sync.WaitGroup
	serving.Go(func() { serve(ctx, tracked) })
	return listener.Addr().String(), func() { tracked.closeAll(); serving.Wait() }, nil
}

// serveHTTP answers every request until the listener is closed.
func (s ControlServer) serveHTTP(_ context.Context, listener net.Listener) {
	server := &http.Server{
		ReadHeaderTimeout: deadline.Hang, // the caller has a timeout of its own, which a busy machine extends
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), s.Header)
			_, _ = io.Copy(w, strings.NewReader(s.Body))
		}),
	}
	_ = server.Serve(tls.NewListener(listener, s.tlsConfig()))
}

// serveRPC answers one call of each caller until the listener is closed.
func (s ControlServer) serveRPC(ctx context.Context, listener net.Listener) {
	var callers sync.WaitGroup
	defer callers.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		callers.Go(func() {
			defer func() { _ = conn.Close() }()
			if firstByte(conn) != tlsByte {
				return
			}
			secured := tls.Server(conn, s.tlsConfig())
			if secured.HandshakeContext(ctx) == nil && firstByte(secured) == byte(FramingNomad) {
				answerCall(secured)
			}
		})
	}
}

// firstByte returns the next byte; zero, which is no framing, if none comes.
func firstByte(r io.Reader) byte {
	b, _ := readByte(r)
	return b
}

// answerCall answers one RPC call with an empty answer. The caller sees it if that fails.
func answerCall(rw io.ReadWriter) {
	cc := msgpackrpc.NewCodecFromHandle(false, false, readWriter{rw, rw}, nomadHandle())
	var request rpc.Request
	if cc.ReadRequestHeader(&request) != nil || cc.ReadRequestBody(nil) != nil {
		return
	}
	_ = cc.WriteResponse(&rpc.Response{ServiceMethod: request.ServiceMethod, Seq: request.Seq}, "")
}

// trackingListener is a listener that closes its connections too.
type trackingListener struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

// Accept waits for the next caller.
func (l *trackingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.conns = append(l.conns, conn)
	return conn, nil
}

// closeAll closes the listener and its connections.
func (l *trackingListener) closeAll() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, conn := range l.conns {
		_ = conn.Close()
	}
}
