package probe_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// runs is how often each situation is tried: a race would change the outcome of one of the runs.
const runs = 10

// credentials are one authority's certificates of each kind that the tests need.
type credentials struct {
	server, cli, foreign, expired pki.Credential
}

func newCredentials(t *testing.T) credentials {
	t.Helper()
	authority, err := pki.NewAuthority(pki.Options{CommonName: "probe test CA"})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(role pki.Role, defect pki.Defect) pki.Credential {
		c, err := authority.IssueDefective(pki.Identity{Role: role}, defect)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return credentials{
		server:  issue(pki.Server, pki.Defect{}),
		cli:     issue(pki.CLI, pki.Defect{}),
		foreign: issue(pki.Server, pki.Foreign()),
		expired: issue(pki.Server, pki.Expired()),
	}
}

// tlsConfig returns the configuration of a listener that demands a certificate of the authority.
func (h credentials) tlsConfig(t *testing.T) *tls.Config {
	t.Helper()
	cert, err := h.server.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := h.server.Pool()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// listen serves each connection with handle until the test ends.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handlers sync.WaitGroup
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn)
			})
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		handlers.Wait()
	})
	return listener.Addr().String()
}

// closedPort returns an address without a listener.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// target returns an agent with both listeners at addr.
func target(addr string) probe.Target {
	return probe.Target{
		Name: "agent", Role: pki.Server, Region: "global",
		HTTP: addr, RPC: addr, ServerName: "server.global.nomad",
	}
}

// read reads until the caller closes, like an agent that never answers.
func read(conn net.Conn) {
	b := make([]byte, 1024)
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// closeAtOnce closes before it has read everything, so that the caller sees an end, a reset or a broken pipe.
func closeAtOnce(conn net.Conn) { _ = conn.Close() }

// closeAfterByte reads one byte, as Nomad does, and closes.
func closeAfterByte(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
}

// closeAfterRead reads once and closes, so that the caller sees an end.
func closeAfterRead(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 4096))
}

// reset ends the TCP connection below conn with a reset.
func reset(conn net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// resetAfterRead reads once, then resets.
func resetAfterRead(conn net.Conn) {
	closeAfterRead(conn)
	reset(conn)
}

// say reads once and answers with the text.
func say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte(text))
	}
}

// secured does the server's side of a handshake, then calls handle.
func secured(config *tls.Config, handle func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			handle(server)
		}
	}
}

// securedOrReset is secured, but a refused caller gets a reset right after the alert, as from a server with unread bytes.
func securedOrReset(config *tls.Config, handle func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() != nil {
			reset(conn)
			return
		}
		handle(server)
	}
}

// web serves /ok, /forbidden and /broken with net/http, over TLS if there is a config.
func web(t *testing.T, config *tls.Config) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(secret))
	})
	mux.HandleFunc("/forbidden", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Permission denied", http.StatusForbidden)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ErrorLog: quiet()}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}
