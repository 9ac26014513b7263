package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"nomadlab.internal/lab/engine"
)

// CopyIn writes files below the node's folder.
func (e *Engine) CopyIn(_ context.Context, r engine.Ref, files []engine.File) error {
	n, err := e.record(r)
	if err == nil {
		home := e.run(n.Run).home(n.Node)
		err = writeFiles(home, files)
		if user := n.account(e.users); err == nil && user.isOther {
			err = chownAll(home, user, engine.Node{Ref: r, Files: files})
		}
	}
	if err != nil {
		return fmt.Errorf("copy files into %s: %w", r, e.explain(err))
	}
	return nil
}

// Reload sends SIGHUP to the agent.
func (e *Engine) Reload(_ context.Context, r engine.Ref) error {
	agent, err := e.agent(r)
	if err == nil && agent.PID == 0 {
		err = errNotRunning
	}
	if err == nil {
		err = agent.Signal(syscall.SIGHUP)
	}
	if err != nil {
		return fmt.Errorf("reload %s: %w", r, err)
	}
	return nil
}

// RestartProgram ends the agent and starts it again.
func (e *Engine) RestartProgram(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
	if o.Binary != "" {
		return engine.State{}, errors.ErrUnsupported
	}
	if err := e.Stop(ctx, r, o.Grace); err != nil {
		return engine.State{}, err
	}
	return e.Start(ctx, r)
}
