package observe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/timeline"
)

// ports watches the certificates that an agent's ports serve.
type ports struct {
	node     *lab.Node
	recorder *timeline.Recorder
	all      []*port
}

// port is one port, with what was last recorded of it.
type port struct {
	name    string
	serve   func(context.Context) (*x509.Certificate, error)
	was     string
	pending string
}

// newPorts watches HTTP and, of a server, RPC. A client has no RPC port.
func newPorts(n *lab.Node, r *timeline.Recorder) *ports {
	p := &ports{node: n, recorder: r, all: []*port{{name: "HTTP", serve: n.Certificate}}}
	if n.Role() == pki.Server {
		p.all = append(p.all, &port{name: "RPC", serve: n.RPCCertificate})
	}
	return p
}

// look looks at each port once. What is other than before is recorded when two looks have seen it: an agent that ends within a
// handshake looks like one without TLS.
func (p *ports) look(ctx context.Context) {
	for _, port := range p.all {
		now, reached := served(port.serve(ctx))
		if ctx.Err() != nil {
			return
		}
		if !reached || now == port.was {
			port.pending = ""
			continue
		}
		if now != port.pending && now == inClear {
			port.pending = now
			continue
		}
		port.was, port.pending = now, ""
		p.recorder.Add(timeline.Event{Kind: timeline.Certificate, Node: p.node.Name(), Text: port.name + " serves " + now})
	}
}

// inClear is what a port serves that does not take part in a handshake.
const inClear = "no certificate: it speaks no TLS"

// served returns in words what a port serves. reached is false if the port was not reached, or if that is not known. A
// certificate that the lab does not trust (any more) is served too.
func served(c *x509.Certificate, err error) (words string, reached bool) {
	if e, is := errors.AsType[*tls.CertificateVerificationError](err); is && len(e.UnverifiedCertificates) > 0 {
		c, err = e.UnverifiedCertificates[0], nil
	}
	if err == nil {
		return describe(c), true
	}
	// An HTTP port without TLS answers a handshake with plain text, an RPC port closes the connection (nomad/rpc.go:336-341).
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return inClear, plain || errors.Is(err, io.EOF)
}

// describe names a certificate by its serial number, its issuer and its end.
func describe(c *x509.Certificate) string {
	return fmt.Sprintf("certificate %s by %q, valid until %s", serial(c), c.Issuer.CommonName, c.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// serial returns the last digits of the serial number in hexadecimal, as a person compares them.
func serial(c *x509.Certificate) string {
	const digits = 8
	s := fmt.Sprintf("%x", c.SerialNumber)
	if len(s) > digits {
		return "…" + s[len(s)-digits:]
	}
	return s
}
