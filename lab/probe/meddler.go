package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// proxy forwards connections to an agent, and meddles with what they carry.
type proxy struct {
	meddler  Meddler
	listener net.Listener
	from, to string
	// hangUp ends all connections.
	hangUp context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	flipped bool
	err     error
}

// meddle listens until close is called. That ctx ends does not end it: a connection that ends for that reason would look to
// the caller as if the agent had ended it.
func meddle(ctx context.Context, m Meddler, from, to string) (*proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen as somebody in between: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &proxy{meddler: m, listener: listener, from: from, to: to, hangUp: cancel}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	p.work.Go(func() { p.accept(ctx) })
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// close ends it all, and says whether a bit was flipped. The error is that the agent could not be reached.
func (p *proxy) close() (flipped bool, err error) {
	p.hangUp()
	p.work.Wait()
	return p.flipped, p.err
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
	talk := &talk{proxy: p}
	ways.Go(func() { talk.carry(agent.Conn, caller, ToAgent) })
	ways.Go(func() { talk.carry(caller, agent.Conn, ToCaller) })
	ways.Wait()
}

// talk is one connection through a proxy: whose turn it is, and what of it has gone through.
type talk struct {
	proxy *proxy

	mu    sync.Mutex
	begun bool
	now   Direction
	turns [2]int
	gone  int64
}

// carry carries one way's bytes, and how that way ended.
func (t *talk) carry(to, from net.Conn, d Direction) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			t.pass(buffer[:n], d)
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

// pass counts the bytes, and flips the bit if it is among them.
func (t *talk) pass(b []byte, d Direction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun || t.now != d {
		t.begun, t.now, t.gone = true, d, 0
		t.turns[d]++
	}
	m := t.proxy.meddler
	if at := m.flipAfter() - t.gone; m.Direction == d && m.Turn == t.turns[d] && 0 <= at && at < int64(len(b)) {
		b[at] ^= 1
		t.proxy.mu.Lock()
		t.proxy.flipped = true
		t.proxy.mu.Unlock()
	}
	t.gone += int64(len(b))
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
