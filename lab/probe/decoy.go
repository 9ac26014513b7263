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

// Decoy is a listener of our own that shows what a look must find: the control of a look, which would see nothing as
// easily where it cannot see. Nobody but the prober is meant to come.
type Decoy struct {
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

// AtDecoy is the probe, one of the HTTP or the RPC plane, at the decoy instead of an agent. For as long as one observation
// takes, the decoy listens on a port of 127.0.0.1 that the system chooses. The probe's caller trusts the decoy's very
// certificate, and no other. On the RPC plane the decoy answers one call (0x04, TLS, 0x01), whatever its method.
func AtDecoy(p Probe, d Decoy) Probe {
	at := p
	at.Sentence = "the same at a listener of our own " + d.Title
	at.see = func(ctx context.Context, t Target) Observation {
		if p.see == nil {
			return notReached("the probe is empty: build it with a constructor of package probe")
		}
		addr, leave, err := d.open(ctx, p.Plane)
		if err != nil {
			return notReached(clean(fmt.Sprintf("listen as a decoy: %v", err)))
		}
		defer leave()
		decoy := Target{Name: "decoy", Role: t.Role, Region: t.Region, ServerName: t.ServerName, HTTP: addr, RPC: addr}
		if decoy.pinned, err = d.leaf(); err != nil {
			return notReached(clean(fmt.Sprintf("read the decoy's certificate: %v", err)))
		}
		return p.see(ctx, decoy)
	}
	return at
}

// leaf is the decoy's own certificate.
func (d Decoy) leaf() (*x509.Certificate, error) {
	if d.Certificate.Leaf != nil {
		return d.Certificate.Leaf, nil
	}
	if len(d.Certificate.Certificate) == 0 {
		return nil, errors.New("there is none: set Decoy.Certificate")
	}
	return x509.ParseCertificate(d.Certificate.Certificate[0])
}

// config is the listener's.
func (d Decoy) config() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{d.Certificate}, ClientCAs: d.ClientCAs}
	if d.ClientCAs != nil {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// open listens until leave is called, which returns when every connection is closed.
func (d Decoy) open(ctx context.Context, plane Plane) (addr string, leave func(), err error) {
	serve, ok := map[Plane]func(context.Context, net.Listener){PlaneHTTP: d.serveHTTP, PlaneRPC: d.serveRPC}[plane]
	if !ok {
		return "", nil, fmt.Errorf("the %s plane has no decoy", cmp.Or(string(plane), "unknown"))
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
