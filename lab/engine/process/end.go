package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"nomadlab.internal/lab/engine"
)

// Stop sends the agent SIGTERM, and SIGKILL after the grace period. Then all else of the node is killed, task executors and
// tasks, as it would end with a container.
func (e *Engine) Stop(ctx context.Context, r engine.Ref, grace time.Duration) error {
	return e.end(ctx, r, "stop", func(agent proc) error {
		if err := agent.signal(syscall.SIGTERM); err != nil {
			return err
		}
		return agent.awaitEnd(ctx, grace)
	})
}

// Kill sends SIGKILL to the agent and all else of the node at once.
func (e *Engine) Kill(ctx context.Context, r engine.Ref) error {
	return e.end(ctx, r, "kill", func(proc) error { return nil })
}

// end lets the agent end in its way, where it runs, and then kills what is left.
func (e *Engine) end(ctx context.Context, r engine.Ref, verb string, way func(agent proc) error) error {
	agent, id, err := e.agent(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	if agent.pid != 0 {
		err = way(agent)
	}
	if err == nil && (agent.pid != 0 || len(scan(markID+id)) > 0) {
		err = sweep(ctx, markID+id)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	if agent.pid != 0 {
		agent.awaitCollected(ctx)
	}
	return nil
}

// agent is the node's process, or none where it does not run. That of a node whose folder was lost is found by its marks.
func (e *Engine) agent(r engine.Ref) (p proc, id string, err error) {
	n, err := e.record(r)
	if err == nil {
		if p, _, runs := e.running(n); runs {
			return p, n.id(), nil
		}
		return proc{}, n.id(), nil
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return proc{}, "", err
	}
	lost := e.lost(r.Lab)
	if i := slices.IndexFunc(lost, func(m marked) bool { return m.Node == r.Node }); i >= 0 {
		return lost[i].proc, lost[i].id, nil
	}
	return proc{}, "", err
}
