package load

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// pollEvery is the time between two polls of an agent.
const pollEvery = 500 * time.Millisecond

// startPolls asks every agent again and again whether it is healthy, and every server who leads.
func (w *Load) startPolls(loops context.Context) {
	for _, n := range append(append([]*lab.Node(nil), w.servers...), w.clients...) {
		w.callers.Go(func() {
			_ = poll.Every(loops, pollEvery, func() bool { // the error says that it is enough
				w.poll(loops, n)
				return false
			})
		})
	}
}

func (w *Load) poll(ctx context.Context, n *lab.Node) {
	a := w.attempt(ctx, n, func(ctx context.Context, c *api.Client, _ *Attempt) error {
		_, err := c.Raw().Query("/v1/agent/health", new(api.AgentHealthResponse), w.reading(ctx))
		return err
	})
	if ctx.Err() != nil {
		return
	}
	w.record.health(a)
	if n.Role() != pki.Server {
		return
	}
	var leader string
	a = w.attempt(ctx, n, func(ctx context.Context, c *api.Client, _ *Attempt) error {
		_, err := c.Raw().Query("/v1/status/leader", &leader, w.reading(ctx))
		return err
	})
	if ctx.Err() != nil {
		return
	}
	for _, s := range w.servers {
		if at := s.Advertised(); at.IsValid() && at.String() == leader {
			leader = s.Name()
			break
		}
	}
	w.record.leader(n.Name(), leader, a.End)
}
