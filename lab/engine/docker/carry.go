package docker

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"nomadlab.internal/internal/deadline"
)

// way connects to a port of a container's own loopback.
type way func(ctx context.Context, port uint16) (end, error)

// end is one end of a connection.
type end interface {
	io.ReadWriteCloser
	// CloseWrite tells the other side that no more comes, and goes on reading.
	CloseWrite() error
	// abort ends both directions at once, as a reset does. It may be called twice, and beside Read and Write.
	abort()
}

// tcp is an ordinary connection.
type tcp struct{ *net.TCPConn }

func (t tcp) abort() {
	_ = t.SetLinger(0)
	_ = t.Close()
}

// silentFor is how long the node may be silent to a caller who has ended their direction, where the machine is not busy (see
// deadline.Stretch): one that waits for the last answer and one that is gone look alike.
const silentFor = 10 * time.Second

// carry connects a caller with the port, and returns when both directions have ended, or the node has been silent for that
// long to a caller who has ended theirs. Where nobody listens on the port the caller is reset: it cannot be refused any more.
func carry(ctx context.Context, conn net.Conn, port uint16, into way, silentFor time.Duration) {
	plain, is := conn.(*net.TCPConn)
	if !is {
		_ = conn.Close()
		return
	}
	caller := tcp{plain}
	defer func() { _ = caller.Close() }()
	inside, err := into(ctx, port)
	if err != nil {
		caller.abort()
		return
	}
	defer func() { _ = inside.Close() }()
	stop := context.AfterFunc(ctx, func() {
		caller.abort()
		inside.abort()
	})
	defer stop()
	silent := time.AfterFunc(silentFor, func() {
		caller.abort()
		inside.abort()
	})
	silent.Stop()
	defer silent.Stop()
	var directions sync.WaitGroup
	directions.Go(func() {
		pass(inside, caller)
		silent.Reset(deadline.Stretch(silentFor))
	})
	pass(caller, inside)
	directions.Wait()
}

// pass carries one direction, and how it ended: an end as an end, everything else as a reset.
func pass(to, from end) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		to.abort()
		from.abort()
	}
}
