package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// dial connects from that address, or from any if it is empty, and bounds every later read and write by ctx.
func dial(ctx context.Context, from, addr string) (*session, error) {
	dialer := &net.Dialer{}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	release, err := bound(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("bound the connection to %s: %w", addr, err)
	}
	return &session{Conn: conn, release: release}, nil
}

// bind bounds every later read and write by ctx, and by nothing else.
func (s *session) bind(ctx context.Context) error {
	s.release()
	release, err := bound(ctx, s.Conn)
	if err == nil {
		s.release = release
	}
	return err
}

// free makes reads and writes unbounded again.
func (s *session) free() {
	s.release()
	_ = s.SetDeadline(time.Time{})
}

// hangUp closes the connection without a word.
func (s *session) hangUp() {
	s.release()
	conn := s.Conn
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	_ = conn.Close()
}

// outlast reads, whatever comes, until the wait is over. It returns early with the error that says how the connection ended,
// or that ctx is done. Afterwards the connection is bounded by ctx alone, as before.
func (s *session) outlast(ctx context.Context, wait time.Duration) error {
	if err := s.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	ended := ctx.Err()
	b := make([]byte, 512)
	for ended == nil {
		if _, err := s.Read(b); err != nil {
			ended = err
		}
	}
	deadline, _ := ctx.Deadline()
	if err := s.SetReadDeadline(deadline); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(ended, os.ErrDeadlineExceeded):
		return nil
	default:
		return ended
	}
}

// bound ends every read and write on the connection when ctx is done, until release is called.
func bound(ctx context.Context, conn net.Conn) (release func(), err error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }, nil
}
