package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// handOverWithin bounds the time until another server leads. See deadline.Fair.
const handOverWithin = 3 * time.Second

// handOver has another voter lead the region, if the node leads it. A leader that restarts costs its cluster an election, and may
// win it itself: it then answers with an empty state, until it has read its log again, so that it refuses valid tokens (403;
// seen with 1.11.3). A server that cannot hand over restarts all the same.
func handOver(ctx context.Context, l *lab.Lab, n *lab.Node) {
	if n.Role() != pki.Server {
		return
	}
	ctx, cancel := deadline.Fair(ctx, handOverWithin)
	defer cancel()
	leader, err := l.Leader(ctx, n.Region())
	if err != nil || leader != n {
		return
	}
	c, err := leader.API()
	if err != nil {
		return
	}
	r, err := c.Operator().RaftGetConfiguration((&api.QueryOptions{Region: n.Region()}).WithContext(ctx))
	if err != nil {
		return
	}
	for _, s := range r.Servers {
		if s.Leader || !s.Voter {
			continue
		}
		if c.Operator().RaftTransferLeadershipByID(s.ID, (&api.WriteOptions{Region: n.Region()}).WithContext(ctx)) == nil {
			_ = poll.Until(ctx, "another server to lead", func(ctx context.Context) string {
				leader, err := l.Leader(ctx, n.Region())
				if err == nil && leader == n {
					err = fmt.Errorf("%s leads still", n.Name())
				}
				return seen(err)
			})
			return
		}
	}
}
