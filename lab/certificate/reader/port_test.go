package reader_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/lab/certificate/reader"
	"nomadlab.internal/lab/spec"
)

// listener is a TLS listener that passes on what each caller sends beside the handshake.
type listener struct {
	addr string
	got  chan string
}

// listen accepts callers until the test ends. prelude is how many bytes it reads before the handshake.
func listen(t *testing.T, config *tls.Config, prelude int) *listener {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{addr: in.Addr().String(), got: make(chan string, 1)}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = in.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := in.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { l.serve(conn, config, prelude) })
		}
	})
	return l
}

func (l *listener) serve(conn net.Conn, config *tls.Config, prelude int) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	first := make([]byte, prelude)
	if _, err := io.ReadFull(conn, first); err != nil {
		return
	}
	stream := io.ReadWriteCloser(conn)
	if config != nil {
		stream = tls.Server(conn, config)
	}
	rest, _ := io.ReadAll(stream)
	l.got <- string(first) + string(rest)
}

// TestPort reads what a port presents, with every version of TLS, accepted or not; and sends it a handshake and nothing else.
func TestPort(t *testing.T) {
	c := issued(t)
	pair, err := c.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := c.Pool()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	caller, err := reader.ClientCertificate(write(t, folder, "c.pem", c.CertPEM), write(t, folder, "k.pem", c.KeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		max     uint16
		asks    tls.ClientAuthType
		o       reader.PortOptions
		refused bool
	}{
		{"asks for nothing", tls.VersionTLS13, tls.NoClientCert, reader.PortOptions{}, false},
		{"TLS 1.3, without a certificate", tls.VersionTLS13, tls.RequireAndVerifyClientCert, reader.PortOptions{}, true},
		{"TLS 1.2, without a certificate", tls.VersionTLS12, tls.RequireAndVerifyClientCert, reader.PortOptions{}, true},
		{"TLS 1.3, with one", tls.VersionTLS13, tls.RequireAndVerifyClientCert, reader.PortOptions{Caller: caller}, false},
		{"TLS 1.2, with one", tls.VersionTLS12, tls.RequireAndVerifyClientCert, reader.PortOptions{Caller: caller}, false},
		{"RPC, with one", tls.VersionTLS13, tls.RequireAndVerifyClientCert, reader.PortOptions{RPC: true, Caller: caller}, false},
		{"RPC, without", tls.VersionTLS13, tls.RequireAndVerifyClientCert, reader.PortOptions{RPC: true}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: test.asks, MinVersion: tls.VersionTLS12, MaxVersion: test.max}
			prelude, want := 0, ""
			if test.o.RPC {
				prelude, want = 1, "\x04"
			}
			l := listen(t, config, prelude)
			i, err := reader.Port(t.Context(), l.addr, test.o)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := c.Leaf()
			if err != nil {
				t.Fatal(err)
			}
			if len(i.Certificates) != 1 || !i.Certificates[0].Equal(leaf) || i.Port.TLS != tls.VersionName(test.max) {
				t.Errorf("%+v", i)
			}
			if asks := test.asks != tls.NoClientCert; i.Port.Asks != asks || (len(i.Port.Accepts) == 1) != asks || (i.Port.Refusal != "") != test.refused {
				t.Errorf("%+v", i.Port)
			}
			if got := <-l.got; got != want {
				t.Errorf("beside the handshake it got %q, want %q", got, want)
			}
		})
	}
}

// TestPortWithoutCertificate: what is no address, what nobody listens at, and what speaks no TLS is refused as the user's to put
// right, and the error says what the port most likely is. One that never answers ends with the caller.
func TestPortWithoutCertificate(t *testing.T) {
	plain, closed := server(t, "HTTP/1.0 400 Bad Request\r\n\r\n"), server(t, "")
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	for _, test := range []struct {
		address string
		rpc     bool
		says    string
	}{
		{plain, false, "does not speak TLS"}, {closed, true, "without tls.rpc"}, {closed, false, "ended the connection"},
		{nobody.Addr().String(), false, "refused"}, {"127.0.0.1", false, "missing port"},
	} {
		_, err := reader.Port(t.Context(), test.address, reader.PortOptions{RPC: test.rpc})
		if !errors.Is(err, reader.ErrPort) || !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.address, err, test.says)
		}
	}
	silent := listen(t, nil, 1<<20)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := reader.Port(ctx, silent.addr, reader.PortOptions{}); !errors.Is(err, reader.ErrPort) {
		t.Errorf("a silent port: %v", err)
	}
}

// server answers each caller's first bytes with a text, and ends the connection.
func server(t *testing.T, text string) (addr string) {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = in.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := in.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<12))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	})
	return in.Addr().String()
}

// TestClientCertificate refuses a key of another certificate, and a missing file.
func TestClientCertificate(t *testing.T) {
	folder := t.TempDir()
	a, b := issued(t), issued(t)
	cert, key, other := write(t, folder, "c", a.CertPEM), write(t, folder, "k", a.KeyPEM), write(t, folder, "o", b.KeyPEM)
	if pair, err := reader.ClientCertificate(cert, key); err != nil || len(pair.Certificate) != 1 {
		t.Errorf("the right key: %v", err)
	}
	for _, wrong := range []string{other, folder + "/none"} {
		if _, err := reader.ClientCertificate(cert, wrong); !errors.Is(err, reader.ErrUnreadable) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
