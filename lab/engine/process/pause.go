package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// errDown is why a node can be neither paused nor resumed.
var errDown = errors.New("it does not run")

// Pause sends SIGSTOP to all processes of the node, and returns when they have stopped: the kernel only notes the signal,
// and on a busy machine a node would still answer for a while.
func (e *Engine) Pause(ctx context.Context, r engine.Ref) error {
	return e.signalAll(ctx, r, "pause", syscall.SIGSTOP)
}

// Resume sends SIGCONT to all processes of the node.
func (e *Engine) Resume(ctx context.Context, r engine.Ref) error {
	return e.signalAll(ctx, r, "resume", syscall.SIGCONT)
}

// signalAll takes the agent first: what it would start in between is then not there.
func (e *Engine) signalAll(ctx context.Context, r engine.Ref, verb string, s syscall.Signal) error {
	agent, err := e.agent(r)
	if err == nil && agent.PID == 0 {
		err = errDown
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

func awaitStops(ctx context.Context, all []marked) error {
	var failed []error
	for _, m := range all {
		halted := false
		err := until(ctx, deadline.Hang, func() bool {
			now, there := m.Now()
			halted = !there || now.Ended() || now.Stopped()
			return halted
		})
		if err == nil && !halted {
			err = fmt.Errorf("process %d has not stopped within %s", m.PID, deadline.Hang)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
