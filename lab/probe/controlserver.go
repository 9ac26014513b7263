package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// Control server is a listener of our own that shows what a look must find: the control of a look, which would see nothing as
// easily where it cannot see. Nobody but the prober is meant to come.
type ControlServer struct {
	// Title says what is there, as it follows "a listener of our own": "whose certificate has a key of 1024 bits". Required.
	Title string
	// Certificate is what it presents, with its key. Required.
	Certificate tls.Certificate
	// ClientCAs are the authorities that it says it accepts callers of; it lets everybody in all the same. Nil: it asks for
	// no certificate.
	ClientCAs *x509.CertPool
	// Header and Body are in its answer to every HTTP request, beside the status 200.
	Header http.Header
	Body   string
}

// AtDecoy is the probe, one of the HTTP or the RPC plane, at the control server instead of an agent. For as long as one observation
// takes, the control server listens on a port of 127.0.0.1 that the system chooses. The probe's caller trusts the control server's very
// certificate, and no other. On the RPC plane the control server answers one call (0x04, TLS, 0x01), whatever its method.
func AtControlServer(p Probe, d ControlServer) Probe {
	at := p
	at.Sentence = "the same at a listener of our own " + d.Title
	at.see = func(ctx context.Context, t Target) Observation {
		if p.see == nil {
			return notReached("the probe is empty: build it with a constructor of package probe")
		}
		addr, leave, err := d.open(ctx, p.Plane)
		if err != nil {
			return notReached(clean(fmt.Sprintf("listen as a control server: %v", err)))
		}
		defer leave()
		controlServer := Target{Name: "control server", Role: t.Role, Region: t.Region, ServerName: t.ServerName, HTTP: addr, RPC: addr}
		if controlServer.pinned, err = d.leaf(); err != nil {
			return notReached(clean(fmt.Sprintf("read the control server's certificate: %v", err)))
		}
		return p.see(ctx, controlServer)
	}
	return at
}

// leaf is the control server's own certificate.
func (d ControlServer) leaf() (*x509.Certificate, error) {
	if d.Certificate.Leaf != nil {
		return d.Certificate.Leaf, nil
	}
	if len(d.Certificate.Certificate) == 0 {
		return nil, errors.New("there is none: set ControlServer.Certificate")
	}
	return x509.ParseCertificate(d.Certificate.Certificate[0])
}

// config is the listener's.
func (d ControlServer) config() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{d.Certificate}, ClientCAs: d.ClientCAs}
	if d.ClientCAs != nil {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// open listens until leave is called, which returns when every connection is closed.
func (d ControlServer) open(ctx context.Context, plane Plane) (addr string, leave func(), err error) {
	serve, ok := map[Plane]func(context.Context, net.Listener){PlaneHTTP: d.serveHTTP, PlaneRPC: d.serveRPC}[plane]
	if !ok {
		return "", nil, fmt.Errorf("the %s plane has no control server", cmp.Or(string(plane), "unknown"))
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	open := &openConns{Listener: listener}
	var serving sync.WaitGroup
	serving.Go(func() { serve(ctx, open) })
	return listener.Addr().String(), func() { open.end(); serving.Wait() }, nil
}
