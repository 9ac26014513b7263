package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
)

// questionWait bounds a question to an agent that may hang, as deadline.Fair does.
const questionWait = 2 * time.Second

// anyServer returns the API of the first server that names the leader that most servers name. That leader answers its requests
// (nomad/rpc.go, forward), so that a write is seen at once. A server that leads a cluster of its own is passed over. The error
// says what each server answered.
func anyServer(ctx context.Context, servers []*lab.Node) (*api.Client, error) {
	clients, leaders, faults := namedLeaders(ctx, servers)
	if at := commonest(leaders); at >= 0 {
		return clients[at], nil
	}
	return nil, fmt.Errorf("find a server that answers: %w", errors.Join(faults...))
}

// namedLeaders asks all servers for the leader in parallel. It returns each one's API, the leader's address, and the error if it
// named none.
func namedLeaders(ctx context.Context, servers []*lab.Node) (clients []*api.Client, leaders []string, faults []error) {
	clients, leaders, faults = make([]*api.Client, len(servers)), make([]string, len(servers)), make([]error, len(servers))
	var all errgroup.Group
	for i, n := range servers {
		all.Go(func() error {
			server, err := n.API()
			if err == nil {
				leaders[i], err = namedLeader(ctx, server)
			}
			if err != nil {
				leaders[i], faults[i] = "", fmt.Errorf("%s: %w", n.Name(), err)
			}
			clients[i] = server
			return nil
		})
	}
	_ = all.Wait() // none of them returns an error
	return clients, leaders, faults
}

// commonest returns the index of the most frequent name, empty names left out; -1 if there is none.
func commonest(names []string) int {
	often, at := map[string]int{}, -1
	for _, name := range names {
		often[name]++
	}
	for i, name := range names {
		if name != "" && (at < 0 || often[name] > often[names[at]]) {
			at = i
		}
	}
	return at
}

// namedLeader returns the leader's address that the server knows. It returns an error if the server does not answer, or knows none.
func namedLeader(ctx context.Context, server *api.Client) (leader string, err error) {
	ctx, cancel := deadline.Fair(ctx, questionWait)
	defer cancel()
	_, err = server.Raw().Query("/v1/status/leader", &leader, reading(ctx))
	if err == nil && leader == "" {
		err = errors.New("it knows of no leader")
	}
	return leader, err
}

// leaderOf returns the name of the server that more than half of those that answer call the leader; "" if there is none.
func leaderOf(ctx context.Context, servers []*lab.Node) string {
	_, leaders, _ := namedLeaders(ctx, servers)
	at := commonest(leaders)
	if at < 0 {
		return ""
	}
	votes := len(slices.DeleteFunc(slices.Clone(leaders), func(name string) bool { return name != leaders[at] }))
	for _, n := range servers {
		if n.Advertised().String() == leaders[at] && 2*votes > len(leaders) {
			return n.Name()
		}
	}
	return ""
}
