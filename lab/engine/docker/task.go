package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// Run runs a command to its end in a container of its own, on the lab's network or, if it is Offline, without any. Package docker's comment says why
// testcontainers does not create this container.
func (e *Engine) Run(ctx context.Context, t engine.Task) (code int, err error) {
	created, err := e.client.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: t.Image, Entrypoint: t.Command[:1], Cmd: t.Command[1:], Env: t.Environment, User: t.User,
			WorkingDir: t.Folder, Labels: labels(t.Lab, "", t.Labels),
			Tty: t.Terminal, OpenStdin: t.Stdin != nil, StdinOnce: true,
			AttachStdin: t.Stdin != nil, AttachStdout: true, AttachStderr: true,
		},
		HostConfig: taskHost(t),
	})
	if err != nil {
		return 0, fmt.Errorf("create a container for %q: %w", t.Command[0], explain(err))
	}
	defer func() { err = errors.Join(err, e.discard(ctx, created.ID, t.Command[0])) }()
	if err := e.copyIn(ctx, created.ID, t.Node); err != nil {
		return 0, err
	}
	return e.follow(ctx, created.ID, t)
}

// discard removes the task's container and its volumes, even if ctx has ended, as it has when a task is interrupted.
func (e *Engine) discard(ctx context.Context, id, program string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	_, err := e.client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	// Removing the lab removes its tasks too, and may be under way.
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove the container of %q: %w", program, err)
	}
	return nil
}

func taskHost(t engine.Task) *container.HostConfig {
	h := &container.HostConfig{NetworkMode: container.NetworkMode(networkName(t.Lab))}
	if t.Offline {
		h.NetworkMode = network.NetworkNone
	}
	confine(h)
	return h
}

// follow starts the task and returns its exit code. It attaches before the start, so that no output is missed.
func (e *Engine) follow(ctx context.Context, id string, t engine.Task) (int, error) {
	attached, err := e.client.ContainerAttach(ctx, id, client.ContainerAttachOptions{
		Stream: true, Stdin: t.Stdin != nil, Stdout: true, Stderr: true,
	})
	if err != nil {
		return 0, fmt.Errorf("attach to %q: %w", t.Command[0], explain(err))
	}
	defer attached.Close()
	ended := e.client.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := e.client.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return 0, fmt.Errorf("start %q: %w", t.Command[0], explain(err))
	}
	stop := resize(t.Streams, func(width, height uint) {
		_, _ = e.client.ContainerResize(ctx, id, client.ContainerResizeOptions{Width: width, Height: height})
	})
	defer stop()
	if err := pump(ctx, attached.HijackedResponse, t.Streams); err != nil {
		return 0, fmt.Errorf("streams of %q: %w", t.Command[0], err)
	}
	select {
	case r := <-ended.Result:
		return int(r.StatusCode), nil
	case err := <-ended.Error:
		return 0, fmt.Errorf("exit code of %q: %w", t.Command[0], err)
	}
}
