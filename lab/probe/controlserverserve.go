package probe

import (
	"context"
	"crypto/tls"
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

// serveHTTP answers every request until the listener is closed.
func (d ControlServer) serveHTTP(_ context.Context, listener net.Listener) {
	server := &http.Server{
		ReadHeaderTimeout: deadline.Hang, // who calls has a limit of its own, which a busy machine stretches
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), d.Header)
			_, _ = io.Copy(w, strings.NewReader(d.Body))
		}),
	}
	_ = server.Serve(tls.NewListener(listener, d.config()))
}

// serveRPC answers one call of each caller until the listener is closed.
func (d ControlServer) serveRPC(ctx context.Context, listener net.Listener) {
	var callers sync.WaitGroup
	defer callers.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		callers.Go(func() {
			defer func() { _ = conn.Close() }()
			if next(conn) != tlsByte {
				return
			}
			if secured := tls.Server(conn, d.config()); secured.HandshakeContext(ctx) == nil && next(secured) == byte(FramingNomad) {
				answerCall(secured)
			}
		})
	}
}

// next is the next byte; zero, which is no framing, when there is none.
func next(r io.Reader) byte {
	var b [1]byte
	_, _ = io.ReadFull(r, b[:])
	return b[0]
}

// answerCall answers one RPC call with an empty answer. An error is the caller's to notice.
func answerCall(rw io.ReadWriter) {
	cc := msgpackrpc.NewCodecFromHandle(false, false, readWriter{rw, rw}, nomadHandle())
	var request rpc.Request
	if cc.ReadRequestHeader(&request) != nil || cc.ReadRequestBody(nil) != nil {
		return
	}
	_ = cc.WriteResponse(&rpc.Response{ServiceMethod: request.ServiceMethod, Seq: request.Seq}, "")
}

// openConns is a listener that can end its connections with itself.
type openConns struct {
	net.Listener
	mu    sync.Mutex
	ended bool
	conns []net.Conn
}

// Accept waits for the next caller.
func (o *openConns) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	o.conns = append(o.conns, conn)
	return conn, nil
}

// end closes the listener and all that came through it.
func (o *openConns) end() {
	_ = o.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	for _, conn := range o.conns {
		_ = conn.Close()
	}
}
