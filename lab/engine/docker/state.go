package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/watchdog"
)

// Nodes returns the nodes of a lab, in the order of their names.
func (e *Engine) Nodes(ctx context.Context, lab string) ([]engine.State, error) {
	labs, err := e.find(ctx, lab)
	return labs[lab], err
}

// Labs returns every lab that has a container or a network here. One that lost all its containers has no states.
func (e *Engine) Labs(ctx context.Context) (map[string][]engine.State, error) {
	labs, err := e.find(ctx, "")
	if err != nil {
		return nil, err
	}
	networks, err := e.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofLab("")})
	if err != nil {
		return nil, fmt.Errorf("list Docker networks: %w", err)
	}
	for _, n := range networks.Items {
		if _, known := labs[n.Labels[labelLab]]; !known {
			labs[n.Labels[labelLab]] = nil
		}
	}
	return labs, nil
}

func (e *Engine) find(ctx context.Context, lab string) (map[string][]engine.State, error) {
	list, err := e.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofLab(lab)})
	if err != nil {
		return nil, fmt.Errorf("list Docker containers: %w", err)
	}
	labs := map[string][]engine.State{}
	for _, s := range list.Items {
		if s.Labels[labelNode] == "" {
			continue // a task
		}
		c, err := e.client.ContainerInspect(ctx, s.ID, client.ContainerInspectOptions{})
		if err != nil {
			continue // it was removed in the meantime
		}
		state := e.state(c.Container)
		labs[state.Lab] = append(labs[state.Lab], state)
	}
	for _, states := range labs {
		slices.SortFunc(states, func(a, b engine.State) int { return strings.Compare(a.Node, b.Node) })
	}
	return labs, nil
}

func (e *Engine) state(c container.InspectResponse) engine.State {
	s := engine.State{
		Ref:       engine.Ref{Lab: c.Config.Labels[labelLab], Node: c.Config.Labels[labelNode]},
		ID:        c.ID,
		Labels:    facts(c.Config.Labels),
		Endpoints: map[uint16]netip.AddrPort{},
	}
	if c.State != nil {
		s.Running, s.ExitCode = c.State.Running, c.State.ExitCode
		if t, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && t.Year() > 1 {
			s.Started = t
		}
	}
	if c.NetworkSettings == nil {
		return s
	}
	for n := range maps.Values(c.NetworkSettings.Networks) {
		s.Address = n.IPAddress
	}
	for port, published := range c.NetworkSettings.Ports {
		if at, ok := e.reach(s.Address, port.Num(), published); ok {
			s.Endpoints[port.Num()] = at
		}
	}
	return s
}

// Remove removes the lab's containers and its network.
func (e *Engine) Remove(ctx context.Context, lab string) error {
	if err := e.leave(ctx, lab); err != nil {
		return err
	}
	f := e.Footprint(lab)
	if _, err := watchdog.Sweep(ctx, watchdog.Target{DockerHost: f.DockerHost, Label: f.Label}); err != nil {
		return fmt.Errorf("remove lab %s: %w", lab, err)
	}
	return nil
}
