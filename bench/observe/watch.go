// Package observe sees from outside how far a cluster is on its way up. It asks the servers' HTTPS ports and nothing
// else, so that whatever has started the cluster is measured by the same code.
package observe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"nomadlab.internal/bench/measure"
)

// tick is how often each server is asked: short beside a milestone, long beside an answer.
const tick = 10 * time.Millisecond

// Source is a cluster on its way up. Both methods are called again and again, from one goroutine.
type Source interface {
	// TLS is how the servers are spoken to. Nil: the keys are not known yet.
	TLS() *tls.Config
	// Servers are the HTTP addresses of the servers that have been started so far.
	Servers() []netip.AddrPort
}

// Want is what the cluster is to have in the end.
type Want struct{ Servers, Clients int }

// Watch looks at one cluster. Build it with Start, and Stop it.
type Watch struct {
	want  Want
	began time.Time
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu   sync.Mutex
	seen map[measure.Milestone]time.Duration
	// steps are what was seen, in words.
	steps []measure.Step
	// complete is closed when all milestones have been seen.
	complete chan struct{}
	// countedAt is when the clients were last counted.
	countedAt time.Time
}

// Start starts the clock, and begins to look.
func Start(ctx context.Context, s Source, want Want) *Watch {
	ctx, stop := context.WithCancel(ctx)
	w := &Watch{
		want: want, stop: stop, seen: map[measure.Milestone]time.Duration{}, complete: make(chan struct{}), began: time.Now(),
	}
	w.ended.Go(func() { w.discover(ctx, s) })
	return w
}

// Wait waits until all milestones have been seen. Its error says which have not.
func (w *Watch) Wait(ctx context.Context) error {
	select {
	case <-w.complete:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waited %s, and did not see: %s: %w",
			time.Since(w.began).Round(tick), strings.Join(w.missing(), ", "), context.Cause(ctx))
	}
}

// Stop ends the looking. No question is under way when it returns.
func (w *Watch) Stop() {
	w.stop()
	w.ended.Wait()
}

// Elapsed is the time since Start.
func (w *Watch) Elapsed() time.Duration { return time.Since(w.began) }

// Seen are the milestones that have been seen, in seconds since Start.
func (w *Watch) Seen() map[measure.Milestone]float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[measure.Milestone]float64{}
	for m, at := range w.seen {
		out[m] = at.Seconds()
	}
	return out
}

// Steps are what was seen, in words, milestones and what lies between them.
func (w *Watch) Steps() []measure.Step {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]measure.Step(nil), w.steps...)
}

// awaited are the milestones that an observer can see.
func awaited() []measure.Milestone {
	return []measure.Milestone{measure.Answered, measure.Leader, measure.Voters, measure.Ready}
}

func (w *Watch) missing() []string {
	var out []string
	for _, m := range awaited() {
		if !w.has(m) {
			out = append(out, m.Title())
		}
	}
	return out
}

func (w *Watch) has(m measure.Milestone) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, has := w.seen[m]
	return has
}

// mark notes a milestone, unless another server was the first to show it.
func (w *Watch) mark(m measure.Milestone, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, has := w.seen[m]; has {
		return
	}
	w.seen[m] = time.Since(w.began)
	w.note(m.Title() + ": " + text)
	if len(w.seen) == len(awaited()) {
		close(w.complete)
	}
}

// note adds a step. The lock is held.
func (w *Watch) note(text string) {
	w.steps = append(w.steps, measure.Step{At: time.Since(w.began).Seconds(), Source: "observer", Text: text})
}

// discover follows each server from the moment at which it is said to be started.
func (w *Watch) discover(ctx context.Context, s Source) {
	var followed sync.WaitGroup
	defer followed.Wait()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	known := map[netip.AddrPort]bool{}
	for {
		if config := s.TLS(); config != nil {
			for _, at := range s.Servers() {
				if !known[at] {
					known[at] = true
					followed.Go(func() { w.follow(ctx, at, config) })
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-w.complete:
			return
		case <-ticker.C:
		}
	}
}
