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
	since := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	release, err := bound(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("bound the connection to %s: %w", addr, err)
	}
	return &session{Conn: conn, release: release, since: since}, nil
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

// lateLook is how much longer it is read from a connection on which something was left when the wait was over.
const lateLook = 100 * time.Millisecond

// outlast reads, whatever comes, until the wait is over, and a moment longer where something is left then. It returns early with the error that says how the connection ended,
// or that ctx is done. Afterwards the connection is bounded by ctx alone, as before.
func (s *session) outlast(ctx context.Context, wait time.Duration) error {
	ended := s.drain(ctx, wait)
	if errors.Is(ended, os.ErrDeadlineExceeded) && ctx.Err() == nil && unread(s.Conn) {
		ended = s.drain(ctx, lateLook) // on a busy machine the wait may be over before the first look
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

// drain reads, whatever comes, until the wait is over, and returns how that ended.
func (s *session) drain(ctx context.Context, wait time.Duration) error {
	if err := s.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	b := make([]byte, 512)
	for ctx.Err() == nil {
		if _, err := s.Read(b); err != nil {
			return err
		}
	}
	return ctx.Err()
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
