package mutation

import (
	"fmt"
	"sync"
	"time"
)

// Times is how long the parts of a cluster's life took.
type Times struct{ Up, Checks, Down time.Duration }

// Timesheet adds up the times of many clusters. Its zero value is ready, and may be used by several goroutines.
type Timesheet struct {
	mu                          sync.Mutex
	sum                         Times
	clusters, agents, mutations int
}

// Add adds a cluster, and returns its line.
func (s *Timesheet) Add(p Pack, t Times) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Up, s.sum.Checks, s.sum.Down = s.sum.Up+t.Up, s.sum.Checks+t.Checks, s.sum.Down+t.Down
	agents := p.Servers + p.Clients
	if p.Extra != "" {
		agents++
	}
	s.clusters, s.agents, s.mutations = s.clusters+1, s.agents+agents, s.mutations+len(p.Placed)
	return fmt.Sprintf("%s: %d mutations, %d agents: up %.1f s, checks %.1f s, down %.1f s",
		p.Name, len(p.Placed), agents, t.Up.Seconds(), t.Checks.Seconds(), t.Down.Seconds())
}

// String returns the sums.
func (s *Timesheet) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d mutations in %d clusters with %d agents; of all clusters together: up %.0f s, checks %.0f s, down %.0f s",
		s.mutations, s.clusters, s.agents, s.sum.Up.Seconds(), s.sum.Checks.Seconds(), s.sum.Down.Seconds())
}
