package probe

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// openLook is how long it is looked whether a connection has ended already, and longLook for how long where others have: on a busy
	// machine one ends a while after the other.
	openLook, longLook = time.Millisecond, 100 * time.Millisecond
	// atOnce is how many members of a flood are at work together: enough to keep the agent busy, and few enough that none is
	// late for want of a processor.
	atOnce = 8
)

// countOpen counts the members whose connection the agent has not ended.
func countOpen(ctx context.Context, members []*session) int {
	members = slices.DeleteFunc(slices.Clone(members), func(s *session) bool { return s == nil })
	open := outlasting(ctx, members, openLook, atOnce)
	if open == 0 || open == len(members) {
		return open
	}
	return outlasting(ctx, members, longLook, len(members))
}

// outlasting counts the members whose connection lasts that much longer, and looks at so many of them together.
func outlasting(ctx context.Context, members []*session, look time.Duration, together int) int {
	var open atomic.Int32
	var looking errgroup.Group
	looking.SetLimit(together)
	for _, s := range members {
		looking.Go(func() error {
			if s.outlast(ctx, look) == nil {
				open.Add(1)
			}
			return nil
		})
	}
	_ = looking.Wait()
	return int(open.Load())
}

// disperse ends the members' connections, and waits for the agent to end them too, so that they count no more.
func disperse(ctx context.Context, members []*session) {
	for _, s := range members {
		if s != nil {
			s.leave()
		}
	}
	for _, s := range members {
		if s != nil {
			s.awaitEnd(ctx)
			s.hangUp()
		}
	}
}

// leave tells the agent that nothing more will be said.
func (s *session) leave() {
	if conn, ok := s.Conn.(interface{ CloseWrite() error }); ok { // TLS and TCP have one each
		_ = conn.CloseWrite()
	}
}

// awaitEnd reads until the agent has ended the connection, or ctx is done.
func (s *session) awaitEnd(ctx context.Context) {
	if s.bind(ctx) != nil {
		return
	}
	b := make([]byte, 512)
	for {
		if _, err := s.Read(b); err != nil {
			return
		}
	}
}
