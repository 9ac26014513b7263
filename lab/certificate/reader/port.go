package reader

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

const (
	// tlsByte is the first byte of a TLS connection to Nomad's RPC port (helper/pool/conn.go:17).
	tlsByte = 0x04
	// answering is how long a port may take on a quiet machine.
	answering = 10 * time.Second
	// refusing is how long a port may take to refuse a caller under TLS 1.3, where it does so after the caller's handshake. A
	// listener of Go answers at once, with a session ticket or an alert.
	refusing = 2 * time.Second
)

// PortOptions say how a port is called.
type PortOptions struct {
	// RPC is true for Nomad's RPC port, which wants a byte of its own before the handshake. False: HTTPS.
	RPC bool
	// Caller is shown if the port asks for a certificate. Nil: none is.
	Caller *tls.Certificate
	// ServerName is sent as the wanted server's name. Empty: none is.
	ServerName string
}

// Port reads the certificates that a live port presents in the TLS handshake. It sends nothing after the handshake, and does not
// verify what it reads: that is for the judge. It returns ErrPort, wrapped, if there is no certificate to read.
func Port(ctx context.Context, address string, o PortOptions) (certificate.Input, error) {
	ctx, cancel := deadline.Fair(ctx, answering)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return certificate.Input{}, fmt.Errorf("%s: %w: %w", address, ErrPort, err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	i := certificate.Input{Place: address, Format: "TLS", Port: &certificate.Port{Protocol: "HTTPS"}}
	if o.RPC {
		i.Port.Protocol = "RPC"
		if _, err := conn.Write([]byte{tlsByte}); err != nil {
			return certificate.Input{}, fmt.Errorf("%s: %w: %w", address, ErrPort, err)
		}
	}
	config := o.config(&i)
	config.ClientSessionCache = ticket{conn}
	client := tls.Client(conn, config)
	err = client.HandshakeContext(ctx)
	if len(i.Certificates) == 0 {
		return certificate.Input{}, fmt.Errorf("%s: %w: %w", address, ErrPort, o.explain(err))
	}
	if err == nil {
		err = refusal(client)
	}
	if err != nil {
		i.Port.Refusal = err.Error()
	}
	return i, nil
}

// config returns the configuration of a caller that accepts every certificate and notes it.
func (o PortOptions) config(i *certificate.Input) *tls.Config {
	return &tls.Config{
		ServerName:         o.ServerName,
		InsecureSkipVerify: true,             //nolint:gosec // nothing is sent; what was presented is judged afterwards
		MinVersion:         tls.VersionTLS10, //nolint:gosec // the oldest agent is to be read
		VerifyConnection: func(s tls.ConnectionState) error {
			i.Certificates, i.Port.TLS = s.PeerCertificates, tls.VersionName(s.Version)
			return nil
		},
		GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			i.Port.Asks = true
			for _, name := range r.AcceptableCAs {
				i.Port.Accepts = append(i.Port.Accepts, pki.NameText(name))
			}
			if o.Caller == nil {
				return &tls.Certificate{}, nil
			}
			return o.Caller, nil
		},
	}
}

// refusal waits for what a TLS 1.3 listener says after its caller's handshake, and returns why it refuses the caller; nil if it does
// not. A listener of Go sends a session ticket to a caller that it accepts, and that ends the wait.
func refusal(client *tls.Conn) error {
	if client.ConnectionState().Version < tls.VersionTLS13 {
		return nil
	}
	if err := client.SetReadDeadline(time.Now().Add(deadline.Stretch(refusing))); err != nil {
		return err
	}
	_, err := client.Read(make([]byte, 1))
	timeout, isTimeout := errors.AsType[net.Error](err)
	switch {
	case err == nil, isTimeout && timeout.Timeout():
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("it ended the connection")
	default:
		return err
	}
}

// ticket is a tls.ClientSessionCache that keeps nothing, and ends the reads on a connection when a session ticket comes.
type ticket struct{ conn net.Conn }

func (ticket) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (t ticket) Put(string, *tls.ClientSessionState) { _ = t.conn.SetReadDeadline(time.Unix(1, 0)) }

// explain says what a failed handshake most likely means.
func (o PortOptions) explain(err error) error {
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case err == nil:
		return errors.New("it presented no certificate")
	case plain && !o.RPC:
		return fmt.Errorf("it does not speak TLS, so it serves in plaintext, or it is an RPC port (--rpc): %w", err)
	case o.RPC && ended(err):
		return fmt.Errorf("it ended the connection: a server without tls.rpc does so, and an HTTPS port, for which --rpc is wrong: %w", err)
	case ended(err):
		return fmt.Errorf("it ended the connection: is it an RPC port (--rpc)? %w", err)
	default:
		return err
	}
}

// ended reports whether the other side has ended the connection.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// ClientCertificate reads a caller's certificate and key in PEM. It returns ErrUnreadable, wrapped.
func ClientCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := File(certFile, "")
	if err != nil {
		return nil, err
	}
	if _, err := File(keyFile, ""); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %s with the key %s: %w", ErrUnreadable, cert.Place, keyFile, err)
	}
	return &pair, nil
}

// Trusted returns the certificates of the inputs.
func Trusted(inputs []certificate.Input) []*x509.Certificate {
	var all []*x509.Certificate
	for _, i := range inputs {
		all = append(all, i.Certificates...)
	}
	return all
}
