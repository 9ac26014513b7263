package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// filter sees and may change the bytes of one connection through a proxy.
type filter interface {
	// pass is called with all bytes before they are forwarded, in the order of each direction, and may change them.
	pass(b []byte, d Direction)
	// closed is called when both directions have ended.
	closed()
}

// proxy forwards connections to an agent, each through a filter of its own.
type proxy struct {
	listener  net.Listener
	from, to  string
	newFilter func() filter
	// hangUp ends all connections.
	hangUp context.CancelFunc
	work   sync.WaitGroup

	mu  sync.Mutex
	err error
}

// startProxy listens at the address until close is called. The end of ctx does not end it: a connection that ended for that
// reason would look to the caller as if the agent had ended it.
func startProxy(ctx context.Context, at, from, to string, newFilter func() filter) (*proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("listen as a proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &proxy{listener: listener, from: from, to: to, newFilter: newFilter, hangUp: cancel}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	p.work.Go(func() { p.accept(ctx) })
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// close ends the proxy and its connections. The error says that the agent could not be reached.
func (p *proxy) close() error {
	p.hangUp()
	p.work.Wait()
	return p.err
}

func (p *proxy) accept(ctx context.Context) {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.forward(ctx, conn) })
	}
}

// forward connects to the agent and copies bytes in both directions, until both have ended.
func (p *proxy) forward(ctx context.Context, caller net.Conn) {
	defer func() { _ = caller.Close() }()
	agent, err := dial(ctx, p.from, p.to)
	if err != nil {
		p.mu.Lock()
		p.err = errors.Join(p.err, err)
		p.mu.Unlock()
		return
	}
	defer agent.hangUp()
	stop := context.AfterFunc(ctx, func() { _ = caller.Close() })
	defer stop()

	var directions sync.WaitGroup
	f := p.newFilter()
	directions.Go(func() { copyFiltered(agent.Conn, caller, f, ToAgent) })
	directions.Go(func() { copyFiltered(caller, agent.Conn, f, ToCaller) })
	directions.Wait()
	f.closed()
}

// copyFiltered copies one direction's bytes, and how that direction ended.
func copyFiltered(to, from net.Conn, f filter, d Direction) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			f.pass(buffer[:n], d)
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				err = writeErr
			}
		}
		if err != nil {
			passEnd(to, from, err)
			return
		}
	}
}

// passEnd ends the other side as one side ended: an end as an end, a reset as a reset.
func passEnd(to, from net.Conn, err error) {
	reader, isTCP := to.(*net.TCPConn)
	if errors.Is(err, io.EOF) && isTCP && reader.CloseWrite() == nil {
		return
	}
	if isTCP {
		_ = reader.SetLinger(0)
	}
	_ = to.Close()
	_ = from.Close()
}
