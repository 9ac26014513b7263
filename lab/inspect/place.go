package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// questionWait is how long a question to an agent that may hang may take: see deadline.Fair.
const questionWait = 2 * time.Second

// anyServer is the API of the first server of those that answer and name the leader that most of them name: whatever is asked
// of it, that leader answers (nomad/rpc.go, forward), so that what was written is seen at once. One that leads a cluster of its
// own is passed over. Its error says what became of each.
func anyServer(ctx context.Context, servers []*lab.Node) (*api.Client, error) {
	clients, leaders, faults := namedLeaders(ctx, servers)
	if at := commonest(leaders); at >= 0 {
		return clients[at], nil
	}
	return nil, fmt.Errorf("find a server that answers: %w", errors.Join(faults...))
}

// namedLeaders asks each of the servers for the leader, side by side: its API, whom it names, and why it names nobody.
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

// commonest is where the name first is that is there most often, empty ones left out; -1 where there is none.
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

// namedLeader is whom the server calls the leader. Its error is that it does not answer, or knows of none.
func namedLeader(ctx context.Context, server *api.Client) (leader string, err error) {
	ctx, cancel := deadline.Fair(ctx, questionWait)
	defer cancel()
	_, err = server.Raw().Query("/v1/status/leader", &leader, reading(ctx))
	if err == nil && leader == "" {
		err = errors.New("it knows of no leader")
	}
	return leader, err
}

// witnessPlace is the ID of a client that answers and offers a driver for the sample job, and the task for that driver: one
// that runs, and does nothing. The client has the name at, or any where that is empty. Nomad may take a client for ready a
// while after its end.
func sampleJobPlace(ctx context.Context, l *lab.Lab, server *api.Client, at string) (id string, task *api.Task, err error) {
	nodes, _, err := server.Nodes().List(reading(ctx))
	if err != nil {
		return "", nil, fmt.Errorf("ask which drivers clients offer: %w", err)
	}
	if at != "" {
		nodes = slices.DeleteFunc(nodes, func(n *api.NodeListStub) bool { return n.Name != at })
	}
	for _, able := range []struct {
		driver string
		config map[string]any
	}{
		{"mock_driver", map[string]any{"run_for": sampleJobLife.String()}},
		{"raw_exec", map[string]any{"command": "sleep", "args": []string{strconv.Itoa(int(sampleJobLife.Seconds()))}}},
	} {
		for _, n := range nodes {
			d := n.Drivers[able.driver]
			if d == nil || !d.Detected || n.Status != api.NodeStatusReady || !answers(ctx, l, n.Name) {
				continue
			}
			task := api.NewTask(catalogue.SampleJobTask, able.driver)
			task.Config = able.config
			return n.ID, task, nil
		}
	}
	return "", nil, fmt.Errorf("%w: mock_driver, which a release of Nomad has not, or raw_exec", ErrNoDriver)
}

// answers says whether the client of that name does.
func answers(ctx context.Context, l *lab.Lab, name string) bool {
	ctx, cancel := deadline.Fair(ctx, questionWait)
	defer cancel()
	node, err := l.Node(name)
	if err != nil {
		return false
	}
	client, err := node.API()
	if err != nil {
		return false
	}
	_, err = client.Raw().Query(probe.HealthPath, new(api.AgentHealthResponse), reading(ctx))
	return err == nil
}
