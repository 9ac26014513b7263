package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
)

// Certificate is what the agent shows now to those who connect to its HTTP port. It is the certificate that is in
// force, whatever the files say.
func (n *Node) Certificate(ctx context.Context) (*x509.Certificate, error) {
	at := n.HTTP()
	if !at.IsValid() {
		return nil, fmt.Errorf("%s has no HTTP address: it is not running", n.ref())
	}
	config, err := n.lab.cli.ClientTLS(n.ServerName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := deadline.Fair(ctx, patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("look at the certificate of %s: %w", n.ref(), err)
	}
	defer func() { _ = conn.Close() }()
	shaken, ok := conn.(*tls.Conn)
	if !ok || len(shaken.ConnectionState().PeerCertificates) == 0 {
		return nil, errors.New("the handshake showed no certificate")
	}
	return shaken.ConnectionState().PeerCertificates[0], nil
}

// outlived is an error for a lab whose certificates have ended: nothing in it can be reached any more.
func (l *Lab) outlived() error {
	until, err := l.cli.NotAfter()
	if err != nil || time.Now().Before(until) {
		return err
	}
	return fmt.Errorf("the certificates of lab %s ended at %s: `nomadlab down %s`, then `nomadlab up --name %s` makes new ones",
		l.Name(), until.Local().Format(time.DateTime), l.Name(), l.Name())
}
