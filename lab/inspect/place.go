package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/deadline"
	"nomadlab.internal/lab/posture/catalogue"
)

// questionWait is how long a question to an agent that may hang may take: see deadline.Fair.
const questionWait = 2 * time.Second

// anyServer is the API of the first server that answers and knows of a leader: whatever is asked of it, the leader answers
// (nomad/rpc.go, forward), so that what was written is seen at once. Its error says what became of each.
func anyServer(ctx context.Context, l *lab.Lab) (*api.Client, error) {
	var faults []error
	for _, n := range l.Servers() {
		server, err := n.API()
		if err == nil {
			err = namesLeader(ctx, server)
		}
		if err == nil {
			return server, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", n.Name(), err))
	}
	return nil, fmt.Errorf("find a server that answers: %w", errors.Join(faults...))
}

// namesLeader is an error unless the server answers, and knows of a leader.
func namesLeader(ctx context.Context, server *api.Client) error {
	ctx, cancel := deadline.Fair(ctx, questionWait)
	defer cancel()
	var at string
	_, err := server.Raw().Query("/v1/status/leader", &at, reading(ctx))
	if err == nil && at == "" {
		err = errors.New("it knows of no leader")
	}
	return err
}

// witnessPlace is the ID of a client that answers and offers a driver for the witness, and the task for that driver: one
// that runs, and does nothing. Nomad may take a client for ready a while after its end.
func witnessPlace(ctx context.Context, l *lab.Lab, server *api.Client) (id string, task *api.Task, err error) {
	nodes, _, err := server.Nodes().List(reading(ctx))
	if err != nil {
		return "", nil, fmt.Errorf("ask which drivers clients offer: %w", err)
	}
	for _, able := range []struct {
		driver string
		config map[string]any
	}{
		{"mock_driver", map[string]any{"run_for": "24h"}},
		{"raw_exec", map[string]any{"command": "sleep", "args": []string{"86400"}}},
	} {
		for _, n := range nodes {
			d := n.Drivers[able.driver]
			if d == nil || !d.Detected || n.Status != api.NodeStatusReady || !answers(ctx, l, n.Name) {
				continue
			}
			task := api.NewTask(catalogue.WitnessTask, able.driver)
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
	_, err = client.Raw().Query(healthPath, new(api.AgentHealthResponse), reading(ctx))
	return err == nil
}
