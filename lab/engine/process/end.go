package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// Stop sends the agent SIGTERM, and SIGKILL after the grace period. Then all else of the node is killed, task executors and
// tasks, as it would end with a container.
func (e *Engine) Stop(ctx context.Context, r engine.Ref, grace time.Duration) error {
	return e.end(ctx, r, "stop", func(agent procfs.Process) error {
		if err := agent.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return awaitEnd(ctx, agent, grace)
	})
}

// Kill sends SIGKILL to the agent and all else of the node at once.
func (e *Engine) Kill(ctx context.Context, r engine.Ref) error {
	return e.end(ctx, r, "kill", func(procfs.Process) error { return nil })
}

// end lets the agent end in its way, where it runs, and then kills what is left.
func (e *Engine) end(ctx context.Context, r engine.Ref, verb string, way func(agent procfs.Process) error) error {
	agent, err := e.agent(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	if agent.PID != 0 {
		err = way(agent.Process)
	}
	if err == nil && (agent.PID != 0 || len(agent.all()) > 0) {
		err = sweep(ctx, markID+agent.id)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	if agent.PID != 0 {
		awaitCollected(ctx, agent.Process)
	}
	return nil
}

// agent is a node's process, which is none (its pid is 0) where the node does not run.
type agent struct {
	procfs.Process
	id string
	// user is whom the node runs as.
	user int
}

// all are the processes of the node: the agent, and what it has started.
func (a agent) all() []marked { return scan(markID+a.id, is(a.user)) }

// agent of a node whose folder was lost is found by its marks.
func (e *Engine) agent(r engine.Ref) (agent, error) {
	n, err := e.record(r)
	if err == nil {
		a := agent{id: n.id(), user: n.UID}
		if p, _, runs := e.running(n); runs {
			a.Process = p
		}
		return a, nil
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return agent{}, err
	}
	lost, failed := e.lost(r.Lab)
	if failed != nil {
		return agent{}, failed
	}
	if i := slices.IndexFunc(lost, func(m marked) bool { return m.Node == r.Node }); i >= 0 {
		return agent{Process: lost[i].Process, id: lost[i].id, user: procfs.User(lost[i].PID)}, nil
	}
	return agent{}, err
}
