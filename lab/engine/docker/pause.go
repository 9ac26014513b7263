package docker

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

// Pause freezes the container, which needs the kernel's freezer cgroup.
func (e *Engine) Pause(ctx context.Context, r engine.Ref) error {
	if _, err := e.client.ContainerPause(ctx, containerName(r.Lab, r.Node), client.ContainerPauseOptions{}); err != nil {
		return fmt.Errorf("pause %s: %w", r, explain(err))
	}
	return nil
}

// Resume thaws the container.
func (e *Engine) Resume(ctx context.Context, r engine.Ref) error {
	if _, err := e.client.ContainerUnpause(ctx, containerName(r.Lab, r.Node), client.ContainerUnpauseOptions{}); err != nil {
		return fmt.Errorf("resume %s: %w", r, explain(err))
	}
	return nil
}
