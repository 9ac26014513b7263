package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// silenceTimeout is how long a node may send nothing to a caller who has closed their direction of a forwarded
// connection, on a quiet machine (see deadline.Stretch). A caller who waits for the last answer and one who is gone look
// alike.
const silenceTimeout = 10 * time.Second

// forwards are listeners on this process's own 127.0.0.1. Each forwards connections to one port that a container serves
// on its own loopback, where no published port leads. They exist from when the container is first seen running until it
// ends. The zero value has none.
type forwards struct {
	mu          sync.Mutex
	byContainer map[string]*forward
}

// forward is the listeners of one start of a container.
type forward struct {
	ref engine.Ref
	// startedAt is the time of this start as the daemon reports it. Every start has another.
	startedAt string
	addresses map[uint16]netip.AddrPort
	// cancel ends the listeners and connections; goroutines are done when they are gone.
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
}

// loopback returns 127.0.0.1.
func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// forward makes a listener for each of the ports, unless this start of the container has them. They stay when ctx ends.
func (e *Engine) forward(ctx context.Context, c container.InspectResponse, r engine.Ref, ports []uint16) error {
	e.forwards.mu.Lock()
	defer e.forwards.mu.Unlock()
	if old := e.forwards.byContainer[c.ID]; old != nil {
		if old.startedAt == c.State.StartedAt {
			return nil
		}
		old.cancel()
	}
	f := &forward{ref: r, startedAt: c.State.StartedAt, addresses: map[uint16]netip.AddrPort{}}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	dial := e.dialer(c)
	for _, port := range ports {
		if err := f.listen(ctx, port, dial, e.silenceTimeout); err != nil {
			f.cancel()
			return fmt.Errorf("listen for connections to port %d inside %s: %w", port, r, err)
		}
	}
	if e.forwards.byContainer == nil {
		e.forwards.byContainer = map[string]*forward{}
	}
	e.forwards.byContainer[c.ID] = f
	f.goroutines.Go(func() {
		_ = e.awaitEnd(ctx, c.ID) // after an error, the next request for the node's state makes new listeners
		f.cancel()
		e.forwards.remove(c.ID, f)
	})
	return nil
}

// awaitEnd returns when the container has ended, and an error if that cannot be known or ctx has ended.
func (e *Engine) awaitEnd(ctx context.Context, id string) error {
	ended := e.client.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-ended.Result:
		return nil
	case err := <-ended.Error:
		return err
	}
}

// listen makes the listener of one port and relays every connection until ctx ends.
func (f *forward) listen(ctx context.Context, port uint16, dial dialFunc, silence time.Duration) error {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback(), 0)))
	if err != nil {
		return err
	}
	address, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	f.addresses[port] = address
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	f.goroutines.Go(func() {
		defer stop()
		// A caller who comes later is refused and does not wait.
		defer func() { _ = l.Close() }()
		for {
			caller, err := l.AcceptTCP()
			if err != nil {
				return
			}
			f.goroutines.Go(func() { relay(ctx, tcpConn{caller}, port, dial, silence) })
		}
	})
	return nil
}

// relay connects a caller with the port, and returns when both directions have ended, or when the node has sent nothing
// for the given time to a caller who has closed their direction. If no process listens on the port, the caller is reset:
// the connection cannot be refused any more.
func relay(ctx context.Context, caller tcpConn, port uint16, dial dialFunc, silence time.Duration) {
	defer func() { _ = caller.Close() }()
	inside, err := dial(ctx, port)
	if err != nil {
		caller.abort()
		return
	}
	defer func() { _ = inside.Close() }()
	abort := func() {
		caller.abort()
		inside.abort()
	}
	stop := context.AfterFunc(ctx, abort)
	defer stop()
	silent := time.AfterFunc(silence, abort)
	silent.Stop()
	defer silent.Stop()
	var outgoing sync.WaitGroup
	outgoing.Go(func() {
		copyConn(inside, caller)
		silent.Reset(deadline.Stretch(silence))
	})
	copyConn(caller, inside)
	outgoing.Wait()
}

// copyConn copies one direction and its end: an end of the stream as such, everything else as a reset.
func copyConn(to, from insideConn) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		to.abort()
		from.abort()
	}
}

// addTo puts the addresses of a node's listeners into its state. Ports without one have no endpoint, published or not.
func (all *forwards) addTo(s *engine.State, ports []uint16) {
	all.mu.Lock()
	defer all.mu.Unlock()
	f := all.byContainer[s.ID]
	for _, port := range ports {
		delete(s.Endpoints, port)
		if f != nil && s.Running {
			if s.Callers == nil {
				s.Callers = map[uint16]netip.Addr{}
			}
			s.Endpoints[port], s.Callers[port] = f.addresses[port], loopback()
		}
	}
}

// close closes the listeners and connections of the nodes that are chosen, and returns when they are gone.
func (all *forwards) close(chosen func(engine.Ref) bool) {
	all.mu.Lock()
	var closed []*forward
	for id, f := range all.byContainer {
		if chosen(f.ref) {
			f.cancel()
			closed = append(closed, f)
			delete(all.byContainer, id)
		}
	}
	all.mu.Unlock()
	for _, f := range closed {
		f.goroutines.Wait()
	}
}

// closeNode closes those of one node.
func (all *forwards) closeNode(r engine.Ref) {
	all.close(func(other engine.Ref) bool { return other == r })
}

// remove removes the entry of a container that has ended, unless it has been started again.
func (all *forwards) remove(id string, ended *forward) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.byContainer[id] == ended {
		delete(all.byContainer, id)
	}
}
