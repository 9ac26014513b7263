package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"nomadlab.internal/lab/engine"
)

// Create makes the node's container and copies its files into it.
func (e *Engine) Create(ctx context.Context, n engine.Node) error {
	if len(n.Ports) == 0 {
		// testcontainers would publish what the image exposes, on every interface.
		return fmt.Errorf("create container of %s: it has no port to publish", n.Ref)
	}
	for _, p := range n.Inside {
		if !slices.Contains(n.Ports, p) {
			return fmt.Errorf("create container of %s: port %d is to be reached inside it, and is none of its ports %v", n.Ref, p, n.Ports)
		}
	}
	_, err := e.provider.CreateContainer(ctx, request(n))
	made, ok := errors.AsType[createdError](err)
	if !ok {
		return fmt.Errorf("create container of %s: %w", n.Ref, explain(err))
	}
	n.Files = withSupervisor(n.Files)
	return e.copyIn(ctx, made.id, n)
}

func (e *Engine) copyIn(ctx context.Context, id string, n engine.Node) error {
	if len(n.Files) == 0 {
		return nil
	}
	archive, err := pack(n.Files)
	if err != nil {
		return fmt.Errorf("pack the files of %s: %w", n.Ref, err)
	}
	_, err = e.client.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	if err != nil {
		return fmt.Errorf("copy files into %s: %w", n.Ref, explain(err))
	}
	return nil
}

// CopyOut copies the files of a folder out of a container, running or not, and out of its volumes.
func (e *Engine) CopyOut(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error) {
	out, err := e.client.CopyFromContainer(ctx, containerName(r.Lab, r.Node), client.CopyFromContainerOptions{SourcePath: folder})
	if err != nil {
		return nil, fmt.Errorf("copy %s out of %s: %w", folder, r, explain(err))
	}
	files, err := unpack(out.Content, folder)
	if err = errors.Join(err, out.Content.Close()); err != nil {
		return nil, fmt.Errorf("copy %s out of %s: %w", folder, r, err)
	}
	return files, nil
}

// request returns the request for a node's container. Process 1 is the supervisor. The container has no capability, cannot gain
// one, and publishes its ports on 127.0.0.1.
func request(n engine.Node) testcontainers.ContainerRequest {
	return testcontainers.ContainerRequest{
		Name:           containerName(n.Lab, n.Node),
		Image:          n.Image,
		Entrypoint:     n.Command[:1],
		Cmd:            n.Command[1:],
		Env:            environment(n.Environment),
		Labels:         nodeLabels(n),
		Networks:       []string{networkName(n.Lab)},
		NetworkAliases: map[string][]string{networkName(n.Lab): n.Aliases},
		ExposedPorts:   exposed(n.Ports),
		ConfigModifier: func(c *container.Config) {
			// testcontainers has set the command of the request here.
			c.Entrypoint, c.Cmd = entrypoint(n), n.Command
			c.User = n.User
			c.Hostname = n.Node
			c.WorkingDir = n.Folder
		},
		HostConfigModifier: func(h *container.HostConfig) {
			h.NetworkMode = container.NetworkMode(networkName(n.Lab))
			h.PortBindings = bindings(n.Ports)
			confine(h)
		},
		EndpointSettingsModifier: func(settings map[string]*network.EndpointSettings) {
			for _, s := range settings {
				s.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: n.Address}
			}
		},
	}
}

// confine drops every capability: an agent that runs as an ordinary user needs none, on any cgroup version.
func confine(h *container.HostConfig) {
	h.CapDrop = []string{"ALL"}
	h.SecurityOpt = []string{"no-new-privileges"}
}

func environment(entries []string) map[string]string {
	env := make(map[string]string, len(entries))
	for _, e := range entries {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	return env
}

func exposed(ports []uint16) []string {
	var out []string
	for _, p := range ports {
		out = append(out, strconv.Itoa(int(p))+"/tcp")
	}
	return out
}

func bindings(ports []uint16) network.PortMap {
	out := network.PortMap{}
	for _, p := range exposed(ports) {
		out[network.MustParsePort(p)] = []network.PortBinding{{HostIP: loopback(), HostPort: "0"}}
	}
	return out
}

// Start starts the node's container and returns its new state. It returns an error if the node has Inside ports that
// cannot be reached (see checkDialer).
func (e *Engine) Start(ctx context.Context, r engine.Ref) (engine.State, error) {
	id := containerName(r.Lab, r.Node)
	if _, err := e.client.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return engine.State{}, fmt.Errorf("start %s: %w", r, explain(err))
	}
	c, err := e.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return engine.State{}, fmt.Errorf("inspect %s: %w", r, explain(err))
	}
	s, err := e.state(ctx, c.Container)
	if err != nil || len(s.Callers) == 0 {
		return s, err
	}
	if err := e.checkDialer(ctx, c.Container); err != nil {
		return engine.State{}, fmt.Errorf("start %s: %w", r, err)
	}
	return s, nil
}

// Stop sends SIGTERM, and SIGKILL after the grace period.
func (e *Engine) Stop(ctx context.Context, r engine.Ref, grace time.Duration) error {
	seconds := int(grace.Round(time.Second).Seconds())
	_, err := e.client.ContainerStop(ctx, containerName(r.Lab, r.Node), client.ContainerStopOptions{Timeout: &seconds})
	if err != nil {
		return fmt.Errorf("stop %s: %w", r, explain(err))
	}
	e.forwards.closeNode(r)
	return nil
}

// Kill sends SIGKILL.
func (e *Engine) Kill(ctx context.Context, r engine.Ref) error {
	_, err := e.client.ContainerKill(ctx, containerName(r.Lab, r.Node), client.ContainerKillOptions{Signal: "KILL"})
	if err != nil && !errdefs.IsConflict(err) { // a conflict means that it does not run
		return fmt.Errorf("kill %s: %w", r, explain(err))
	}
	e.forwards.closeNode(r)
	return nil
}

// Pause freezes the container with the kernel's freezer cgroup.
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
