package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// Stop sends the agent SIGTERM, and SIGKILL after the grace period. Then it kills the node's task executors and tasks, as the
// end of a container would do.
func (e *Engine) Stop(ctx context.Context, r engine.Ref, grace time.Duration) error {
	return e.endNode(ctx, r, "stop", func(agent procfs.Process) error {
		if err := agent.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return awaitEnd(ctx, agent, grace)
	})
}

// Kill sends SIGKILL to all processes of the node.
func (e *Engine) Kill(ctx context.Context, r engine.Ref) error {
	return e.endNode(ctx, r, "kill", func(procfs.Process) error { return nil })
}

// endNode calls endAgent if the agent runs, and then kills what is left of the node.
func (e *Engine) endNode(ctx context.Context, r engine.Ref, verb string, endAgent func(agent procfs.Process) error) error {
	agent, err := e.agent(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	if agent.PID != 0 {
		err = endAgent(agent.Process)
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

// agent is a node's process. Its PID is 0 if the node does not run.
type agent struct {
	procfs.Process
	id string
	// user is the node's user ID.
	user int
}

// all returns the processes of the node: the agent, and what it has started.
func (a agent) all() []labProcess { return scan(markID+a.id, onlyUser(a.user)) }

// agent returns that of a node. If the node's folder was lost, its process is found by its marks.
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
	unrecorded, failed := e.unrecorded(r.Lab)
	if failed != nil {
		return agent{}, failed
	}
	if i := slices.IndexFunc(unrecorded, func(m labProcess) bool { return m.Node == r.Node }); i >= 0 {
		return agent{Process: unrecorded[i].Process, id: unrecorded[i].id, user: procfs.User(unrecorded[i].PID)}, nil
	}
	return agent{}, err
}

// errNotRunning is returned by Pause and Resume of a node that does not run.
var errNotRunning = errors.New("it does not run")

// Pause sends SIGSTOP to all processes of the node, and returns when they have stopped. On a busy machine that is some time
// after the signal.
func (e *Engine) Pause(ctx context.Context, r engine.Ref) error {
	return e.signalAll(ctx, r, "pause", syscall.SIGSTOP)
}

// Resume sends SIGCONT to all processes of the node.
func (e *Engine) Resume(ctx context.Context, r engine.Ref) error {
	return e.signalAll(ctx, r, "resume", syscall.SIGCONT)
}

// signalAll signals the agent first, so that it starts no process in between.
func (e *Engine) signalAll(ctx context.Context, r engine.Ref, verb string, s syscall.Signal) error {
	agent, err := e.agent(r)
	if err == nil && agent.PID == 0 {
		err = errNotRunning
	}
	if err == nil {
		err = agent.Signal(s)
	}
	if err == nil {
		all := agent.all()
		for _, m := range all {
			err = errors.Join(err, m.Signal(s))
		}
		if s == syscall.SIGSTOP {
			err = errors.Join(err, awaitStops(ctx, all))
		}
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	return nil
}

func awaitStops(ctx context.Context, all []labProcess) error {
	var failed []error
	for _, m := range all {
		stopped := false
		err := until(ctx, deadline.Hang, func() bool {
			now, there := m.Now()
			stopped = !there || now.Ended() || now.Stopped()
			return stopped
		})
		if err == nil && !stopped {
			err = fmt.Errorf("process %d has not stopped within %s", m.PID, deadline.Hang)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
