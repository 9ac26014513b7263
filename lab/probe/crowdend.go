package probe

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// openLook is how long it is looked whether a connection has ended already.
	openLook = time.Millisecond
	// atOnce is how many members of a crowd are at work together: enough to keep the agent busy, and few enough that none is
	// late for want of a processor.
	atOnce = 8
)

// countOpen counts the members whose connection the agent has not ended.
func countOpen(ctx context.Context, members []*session) int {
	var open atomic.Int32
	var looking errgroup.Group
	looking.SetLimit(atOnce)
	for _, s := range members {
		looking.Go(func() error {
			if s != nil && s.outlast(ctx, openLook) == nil {
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
