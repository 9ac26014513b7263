package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// clientHello is the first flight of a TLS handshake, as one record.
func clientHello(ctx context.Context, serverName string) ([]byte, error) {
	conn := &deaf{}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName, InsecureSkipVerify: serverName == ""}
	if err := tls.Client(conn, config).HandshakeContext(ctx); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("write a ClientHello: %w", err)
	}
	return conn.said.Bytes(), nil
}

// deaf is a connection on which one can speak and hears nothing.
type deaf struct {
	net.Conn
	said bytes.Buffer
}

func (d *deaf) Write(p []byte) (int, error) { return d.said.Write(p) }
func (*deaf) Read([]byte) (int, error)      { return 0, io.EOF }
func (*deaf) Close() error                  { return nil }
