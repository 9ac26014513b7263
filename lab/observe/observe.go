package observe

import (
	"context"
	"errors"
	"sync"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/timeline"
)

// The intervals of the looks, on a machine that keeps up: a look that takes longer than its interval is not repeated earlier.
const (
	// often is the interval at which each agent is asked whether it answers, and each server for its leader.
	often = 100 * time.Millisecond
	// seldom is the interval of what costs more: handshakes, members, clients and allocations.
	seldom = 300 * time.Millisecond
)

// answerTimeout is how long an agent that may hang has to answer one request; see deadline.Fair.
const answerTimeout = 2 * time.Second

// ErrNothingSeen is returned by stop, wrapped, if no agent has answered even once: then the timeline's silence means nothing.
var ErrNothingSeen = errors.New("no agent of the lab answered the observer")

// Nodes returns the lab's nodes as the rows of a timeline.
func Nodes(l *lab.Lab) []timeline.Node {
	var out []timeline.Node
	for _, n := range l.Nodes() {
		out = append(out, timeline.Node{Name: n.Name(), Role: string(n.Role())})
	}
	return out
}

// Start records what changes in the lab, until stop is called or ctx ends: agents that do not answer, the leader of each
// region, servers in gossip and voters in Raft, the status of clients, the certificates that the HTTP and RPC ports serve, and
// allocations. The first events say what there is at the start. A change is recorded when it is seen, which is up to 0.3 s after
// it on a quiet machine. Start neither calls nor changes anything else, and goes on while nodes are stopped, restarted, and
// given other certificates or none.
//
// stop ends the observer, waits for it, and records what still lasts. It returns ErrNothingSeen if the lab never answered. Later
// calls return the same.
func Start(ctx context.Context, l *lab.Lab, r *timeline.Recorder) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	watch := func(interval time.Duration, look func(context.Context)) {
		running.Go(func() {
			_ = poll.Every(ctx, interval, func() bool { look(ctx); return ctx.Err() != nil }) // it ends with ctx, which is no error here
		})
	}
	several := len(regionsOf(l)) > 1
	var agents []*agent
	for _, region := range regionsOf(l) {
		v := newRegionView(l, r, region, several)
		for _, n := range l.Nodes() {
			if n.Region() != region {
				continue
			}
			a := &agent{node: n, recorder: r, view: v}
			agents = append(agents, a)
			watch(often, a.look)
			ports := newPorts(n, r)
			watch(seldom, ports.look)
		}
		watch(seldom, v.members)
	}
	return sync.OnceValue(func() error {
		cancel()
		running.Wait()
		answered := false
		for _, a := range agents {
			a.end()
			answered = answered || a.answered
		}
		if !answered {
			return ErrNothingSeen
		}
		return nil
	})
}

func regionsOf(l *lab.Lab) []string {
	var out []string
	seen := map[string]bool{}
	for _, n := range l.Nodes() {
		if !seen[n.Region()] {
			seen[n.Region()] = true
			out = append(out, n.Region())
		}
	}
	return out
}

// serversOf returns the servers of the region, extra ones included.
func serversOf(l *lab.Lab, region string) []*lab.Node {
	var out []*lab.Node
	for _, n := range l.Nodes() {
		if n.Region() == region && n.Role() == pki.Server {
			out = append(out, n)
		}
	}
	return out
}
