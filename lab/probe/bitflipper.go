package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// hand is what lies between the two ends of one connection.
type hand interface {
	// pass is given all bytes that go through, in their order on each way, and may change them.
	pass(b []byte, d Direction)
	// ended is told that both ways have.
	ended()
}

// proxy forwards connections to an agent, each through a hand of its own.
type proxy struct {
	listener net.Listener
	from, to string
	hands    func() hand
	// hangUp ends all connections.
	hangUp context.CancelFunc
	work   sync.WaitGroup

	mu  sync.Mutex
	err error
}

// intercept listens at the address until close is called. That ctx ends does not end it: a connection that ends for that
// reason would look to the caller as if the agent had ended it.
func startProxy(ctx context.Context, at, from, to string, hands func() hand) (*proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("listen as somebody in between: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &proxy{listener: listener, from: from, to: to, hands: hands, hangUp: cancel}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	p.work.Go(func() { p.accept(ctx) })
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// close ends it all. The error is that the agent could not be reached.
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

// forward connects to the agent and carries bytes both ways, until both ways have ended.
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

	var ways sync.WaitGroup
	h := p.hands()
	ways.Go(func() { carry(agent.Conn, caller, h, ToAgent) })
	ways.Go(func() { carry(caller, agent.Conn, h, ToCaller) })
	ways.Wait()
	h.ended()
}

// carry carries one way's bytes, and how that way ended.
func carry(to, from net.Conn, h hand, d Direction) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			h.pass(buffer[:n], d)
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				err = writeErr
			}
		}
		if err != nil {
			end(to, from, err)
			return
		}
	}
}

// end passes on how one way ended: an end as an end, a reset as a reset.
func end(to, from net.Conn, err error) {
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
