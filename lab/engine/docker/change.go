package docker

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// CopyIn copies files into the node's container.
func (e *Engine) CopyIn(ctx context.Context, r engine.Ref, files []engine.File) error {
	return e.copyIn(ctx, containerName(r.Lab, r.Node), engine.Node{Ref: r, Files: files})
}

// Reload sends SIGHUP.
func (e *Engine) Reload(ctx context.Context, r engine.Ref) error {
	_, err := e.client.ContainerKill(ctx, containerName(r.Lab, r.Node), client.ContainerKillOptions{Signal: "HUP"})
	if err != nil {
		return fmt.Errorf("reload %s: %w", r, explain(err))
	}
	return nil
}

// RestartProgram ends the container's program and starts it again.
func (e *Engine) RestartProgram(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
	if err := e.Stop(ctx, r, o.Grace); err != nil {
		return engine.State{}, err
	}
	return e.Start(ctx, r)
}
