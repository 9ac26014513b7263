package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
)

// Nodes returns the nodes of a lab, in the order of their names.
func (e *Engine) Nodes(ctx context.Context, lab string) ([]engine.State, error) {
	list, err := e.containers(ctx, lab)
	if err != nil {
		return nil, err
	}
	var states []engine.State
	for _, s := range list {
		c, err := e.client.ContainerInspect(ctx, s.ID, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			continue // it was removed in the meantime
		}
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", containerName(lab, s.Labels[labelNode]), err)
		}
		state, err := e.state(ctx, c.Container)
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

// Labs returns every lab that has a container or a network here.
func (e *Engine) Labs(ctx context.Context) (map[string]engine.LabState, error) {
	list, err := e.containers(ctx, "")
	if err != nil {
		return nil, err
	}
	networks, err := e.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofLab("")})
	if err != nil {
		return nil, fmt.Errorf("list Docker networks: %w", err)
	}
	labs := map[string]engine.LabState{}
	for _, n := range networks.Items {
		labs[n.Labels[labelLab]] = engine.LabState{Labels: facts(n.Labels), Created: n.Created}
	}
	for _, s := range list {
		state := e.summary(s)
		lab, there := labs[state.Lab]
		if !there {
			lab.Labels = state.Labels
		}
		lab.Nodes = append(lab.Nodes, state)
		labs[state.Lab] = lab
	}
	return labs, nil
}

// containers are those of a lab's nodes, or of all labs' nodes, in the order of their names. Tasks are none.
func (e *Engine) containers(ctx context.Context, lab string) ([]container.Summary, error) {
	list, err := e.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofLab(lab)})
	if err != nil {
		return nil, fmt.Errorf("list Docker containers: %w", err)
	}
	nodes := slices.DeleteFunc(list.Items, func(s container.Summary) bool { return s.Labels[labelNode] == "" })
	slices.SortFunc(nodes, func(a, b container.Summary) int { return strings.Compare(a.Labels[labelNode], b.Labels[labelNode]) })
	return nodes, nil
}

// summary is a state as a list of containers has it.
func (e *Engine) summary(c container.Summary) engine.State {
	s := engine.State{
		Ref:       engine.Ref{Lab: c.Labels[labelLab], Node: c.Labels[labelNode]},
		ID:        c.ID,
		Running:   c.State == container.StateRunning || c.State == container.StatePaused,
		Paused:    c.State == container.StatePaused,
		Image:     c.Image,
		Version:   version(c.Labels),
		Labels:    facts(c.Labels),
		Endpoints: map[uint16]netip.AddrPort{},
	}
	var here netip.Addr
	if c.NetworkSettings != nil {
		for n := range maps.Values(c.NetworkSettings.Networks) {
			here = e.place(&s, n)
		}
	}
	if s.Running && c.NetworkSettings != nil {
		s.CutOff = cutOff(c.HostConfig.NetworkMode, c.NetworkSettings.Networks, s.Ref, c.Labels)
	}
	for _, p := range c.Ports {
		published := []network.PortBinding{{HostIP: p.IP, HostPort: strconv.Itoa(int(p.PublicPort))}}
		if at, ok := e.reach(here, p.PrivatePort, published); ok && p.PublicPort > 0 {
			s.Endpoints[p.PrivatePort] = at
		}
	}
	e.doors.show(&s, insidePorts(c.Labels))
	return s
}

// place says where a container is on its network, and returns the address that Docker gave it there.
func (e *Engine) place(s *engine.State, n *network.EndpointSettings) netip.Addr {
	s.Address, s.Origin, s.Caller = at(n), at(n), e.caller(n.Gateway)
	if n.IPAddress != s.Address {
		s.Published = n.IPAddress
	}
	return n.IPAddress
}

// at is where a container is for those on its network: at its link-local address if it has one, which it has kept since
// it was made, else where Docker has put it at its start.
func at(n *network.EndpointSettings) netip.Addr {
	if n.IPAMConfig != nil && len(n.IPAMConfig.LinkLocalIPs) > 0 {
		return n.IPAMConfig.LinkLocalIPs[0]
	}
	return n.IPAddress
}

// cutOff is why a running container is not on the network that it was made for. Empty: it is. A container that was made on
// none of its own, or by the network's ID, which Docker then shows, is looked up by that.
func cutOff(mode string, on map[string]*network.EndpointSettings, r engine.Ref, labels map[string]string) string {
	if !container.NetworkMode(mode).IsUserDefined() {
		return ""
	}
	for name, n := range on {
		if name == mode || n != nil && n.NetworkID == mode {
			return ""
		}
	}
	why := "its container is not on the network " + mode
	if address := labels[labelAddress]; address != "" {
		why += fmt.Sprintf(": `docker network connect --ip %s %s %s` puts it back", address, mode, containerName(r.Lab, r.Node))
	}
	return why
}

// state is what an inspection says, with a door for each port that is reached inside the container.
func (e *Engine) state(ctx context.Context, c container.InspectResponse) (engine.State, error) {
	s := engine.State{
		Ref:       engine.Ref{Lab: c.Config.Labels[labelLab], Node: c.Config.Labels[labelNode]},
		ID:        c.ID,
		Image:     c.Config.Image,
		Version:   version(c.Config.Labels),
		Labels:    facts(c.Config.Labels),
		Endpoints: map[uint16]netip.AddrPort{},
	}
	if c.State != nil {
		s.Running, s.Paused, s.ExitCode = c.State.Running, c.State.Paused, c.State.ExitCode
		if t, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && t.Year() > 1 {
			s.Started = t
		}
	}
	if c.NetworkSettings == nil {
		return s, nil
	}
	var here netip.Addr
	for n := range maps.Values(c.NetworkSettings.Networks) {
		here = e.place(&s, n)
	}
	if s.Running && c.HostConfig != nil {
		s.CutOff = cutOff(string(c.HostConfig.NetworkMode), c.NetworkSettings.Networks, s.Ref, c.Config.Labels)
	}
	for port, published := range c.NetworkSettings.Ports {
		if at, ok := e.reach(here, port.Num(), published); ok {
			s.Endpoints[port.Num()] = at
		}
	}
	if inside := insidePorts(c.Config.Labels); s.Running && len(inside) > 0 {
		if err := e.open(ctx, c, s.Ref, inside); err != nil {
			return s, err
		}
		e.doors.show(&s, inside)
	}
	return s, nil
}

// Remove removes the lab's containers and its network, and what else bears the run of that network: volumes of a lab that
// Docker Compose brought up bear no more than that, as they are to outlive it when Compose takes it down, and must not go
// with another lab of its name.
func (e *Engine) Remove(ctx context.Context, lab string) error {
	networks, err := e.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofLab(lab)})
	if err != nil {
		return fmt.Errorf("list the networks of lab %s: %w", lab, err)
	}
	labels := []string{labelLab + "=" + lab}
	for _, n := range networks.Items {
		if run := n.Labels[labelRun]; run != "" {
			labels = append(labels, labelRun+"="+run)
		}
	}
	for _, label := range labels {
		if _, err := watchdog.Sweep(ctx, watchdog.Target{DockerHost: e.DockerHost(), Label: label}); err != nil {
			return fmt.Errorf("remove lab %s: %w", lab, err)
		}
	}
	e.doors.close(func(r engine.Ref) bool { return r.Lab == lab })
	return nil
}
