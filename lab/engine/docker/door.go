package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// doors are listeners on this process's own 127.0.0.1. Each leads to one port that a container serves on its own loopback,
// where no published port leads. They are there from when the container is first seen running until it ends. The zero
// value has none.
type doors struct {
	mu sync.Mutex
	// of is by the container's ID.
	of map[string]*doorway
}

// doorway is the doors of one start of a container.
type doorway struct {
	ref engine.Ref
	// started tells this start from others, as the daemon has it.
	started string
	at      map[uint16]netip.AddrPort
	// end lets everything go; work is what then still has to end.
	end  context.CancelFunc
	work sync.WaitGroup
}

// loopback is this machine's, and each container's.
func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// open sees to it that there is a door for each of the ports. They stay when ctx ends.
func (e *Engine) open(ctx context.Context, c container.InspectResponse, r engine.Ref, ports []uint16) error {
	e.doors.mu.Lock()
	defer e.doors.mu.Unlock()
	old, there := e.doors.of[c.ID]
	if there && old.started == c.State.StartedAt {
		return nil
	}
	if there {
		old.end()
	}
	d := &doorway{ref: r, started: c.State.StartedAt, at: map[uint16]netip.AddrPort{}}
	ctx, d.end = context.WithCancel(context.WithoutCancel(ctx))
	into := e.way(c)
	for _, port := range ports {
		if err := d.listen(ctx, port, into, e.silentFor); err != nil {
			d.end()
			return fmt.Errorf("listen for connections to port %d inside %s: %w", port, r, err)
		}
	}
	if e.doors.of == nil {
		e.doors.of = map[string]*doorway{}
	}
	e.doors.of[c.ID] = d
	d.work.Go(func() {
		_ = e.awaitEnd(ctx, c.ID) // if it is not to be known, new doors are made when somebody asks for the node
		d.end()
		e.doors.forget(c.ID, d)
	})
	return nil
}

// awaitEnd returns when the container has ended, which a crash may bring about, and an error when that cannot be known or
// ctx has ended.
func (e *Engine) awaitEnd(ctx context.Context, id string) error {
	ended := e.client.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-ended.Result:
		return nil
	case err := <-ended.Error:
		return err
	}
}

// listen makes the door of one port. Whoever comes is carried to that port until ctx ends.
func (d *doorway) listen(ctx context.Context, port uint16, into way, silentFor time.Duration) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", netip.AddrPortFrom(loopback(), 0).String())
	if err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d.at[port] = at
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	d.work.Go(func() {
		defer stop()
		// Without us, callers shall be refused, and not wait.
		defer func() { _ = l.Close() }()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.work.Go(func() { carry(ctx, conn, port, into, silentFor) })
		}
	})
	return nil
}

// show puts the doors of a node into its state. Ports that have none are not reached, published or not.
func (d *doors) show(s *engine.State, ports []uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	way, open := d.of[s.ID]
	for _, port := range ports {
		delete(s.Endpoints, port)
		if open && s.Running {
			if s.Callers == nil {
				s.Callers = map[uint16]netip.Addr{}
			}
			s.Endpoints[port], s.Callers[port] = way.at[port], loopback()
		}
	}
}

// close closes doors, ends whatever goes through them, and returns when all that is over.
func (d *doors) close(of func(engine.Ref) bool) {
	d.mu.Lock()
	var closed []*doorway
	for id, way := range d.of {
		if of(way.ref) {
			way.end()
			closed = append(closed, way)
			delete(d.of, id)
		}
	}
	d.mu.Unlock()
	for _, way := range closed {
		way.work.Wait()
	}
}

// doorsOf chooses those of one node.
func doorsOf(r engine.Ref) func(engine.Ref) bool {
	return func(other engine.Ref) bool { return other == r }
}

// forget takes out the doors of a container that has ended, unless it has others by now.
func (d *doors) forget(id string, ended *doorway) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[id] == ended {
		delete(d.of, id)
	}
}
