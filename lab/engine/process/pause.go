package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"nomadlab.internal/lab/engine"
)

// errDown is why a node can be neither paused nor resumed.
var errDown = errors.New("it does not run")

// Pause sends SIGSTOP to all processes of the node.
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
	if err == nil && agent.pid == 0 {
		err = errDown
	}
	if err == nil {
		err = agent.signal(s)
	}
	if err == nil {
		for _, m := range agent.all() {
			err = errors.Join(err, m.signal(s))
		}
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	return nil
}
