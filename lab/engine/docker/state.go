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
		labs[n.Labels[labelLab]] = engine.LabState{Labels: callerLabels(n.Labels), Created: n.Created}
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

// containers returns those of a lab's nodes, or of all labs' nodes if the name is empty, in the order of the nodes'
// names. Tasks are left out.
func (e *Engine) containers(ctx context.Context, lab string) ([]container.Summary, error) {
	list, err := e.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofLab(lab)})
	if err != nil {
		return nil, fmt.Errorf("list Docker containers: %w", err)
	}
	nodes := slices.DeleteFunc(list.Items, func(s container.Summary) bool { return s.Labels[labelNode] == "" })
	slices.SortFunc(nodes, func(a, b container.Summary) int { return strings.Compare(a.Labels[labelNode], b.Labels[labelNode]) })
	return nodes, nil
}

// summary returns the state of a node from a list of containers.
func (e *Engine) summary(c container.Summary) engine.State {
	s := stateOf(c.ID, c.Image, c.Labels)
	s.Running = c.State == container.StateRunning || c.State == container.StatePaused
	s.Paused = c.State == container.StatePaused
	var networks map[string]*network.EndpointSettings
	if c.NetworkSettings != nil {
		networks = c.NetworkSettings.Networks
	}
	address := e.addNetworks(&s, c.HostConfig.NetworkMode, networks, c.Labels)
	for _, p := range c.Ports {
		published := []network.PortBinding{{HostIP: p.IP, HostPort: strconv.Itoa(int(p.PublicPort))}}
		if at, ok := e.endpoint(address, p.PrivatePort, published); ok && p.PublicPort > 0 {
			s.Endpoints[p.PrivatePort] = at
		}
	}
	e.forwards.addTo(&s, insidePorts(c.Labels))
	return s
}

// state returns the state of a node from the inspection of its container. It makes a forward for each port that the node
// serves on its own loopback.
func (e *Engine) state(ctx context.Context, c container.InspectResponse) (engine.State, error) {
	labels := c.Config.Labels
	s := stateOf(c.ID, c.Config.Image, labels)
	if c.State != nil {
		s.Running, s.Paused, s.ExitCode = c.State.Running, c.State.Paused, c.State.ExitCode
		if t, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && t.Year() > 1 {
			s.Started = t
		}
	}
	if c.NetworkSettings == nil {
		return s, nil
	}
	var mode string
	if c.HostConfig != nil {
		mode = string(c.HostConfig.NetworkMode)
	}
	address := e.addNetworks(&s, mode, c.NetworkSettings.Networks, labels)
	for port, published := range c.NetworkSettings.Ports {
		if at, ok := e.endpoint(address, port.Num(), published); ok {
			s.Endpoints[port.Num()] = at
		}
	}
	if inside := insidePorts(labels); s.Running && len(inside) > 0 {
		if err := e.forward(ctx, c, s.Ref, inside); err != nil {
			return s, err
		}
		e.forwards.addTo(&s, inside)
	}
	return s, nil
}

// stateOf returns what a container's labels and image say of its node.
func stateOf(id, image string, labels map[string]string) engine.State {
	return engine.State{
		Ref: engine.Ref{Lab: labels[labelLab], Node: labels[labelNode]}, ID: id, Image: image,
		Version: version(labels), Labels: callerLabels(labels), Endpoints: map[uint16]netip.AddrPort{},
	}
}

// addNetworks adds the node's addresses to its state, and why it is cut off if it is. It returns the address that Docker
// assigned. A node is on one network.
func (e *Engine) addNetworks(s *engine.State, mode string, networks map[string]*network.EndpointSettings, labels map[string]string) netip.Addr {
	var assigned netip.Addr
	for n := range maps.Values(networks) {
		assigned = n.IPAddress
		s.Address, s.Caller = ownAddress(n), e.callerAddress(n.Gateway)
		s.Origin = s.Address
		if assigned != s.Address {
			s.Published = assigned
		}
	}
	if s.Running {
		s.CutOff = cutOff(mode, networks, s.Ref, labels)
	}
	return assigned
}

// ownAddress returns a container's address for others on its network: its link-local address if it has one, which it
// keeps for life, else the one that Docker assigned at its start.
func ownAddress(n *network.EndpointSettings) netip.Addr {
	if n.IPAMConfig != nil && len(n.IPAMConfig.LinkLocalIPs) > 0 {
		return n.IPAMConfig.LinkLocalIPs[0]
	}
	return n.IPAddress
}

// cutOff returns why a running container is not on the network that it was created for, or "" if it is. mode is that
// network's name, or its ID if the container was created with that.
func cutOff(mode string, networks map[string]*network.EndpointSettings, r engine.Ref, labels map[string]string) string {
	if !container.NetworkMode(mode).IsUserDefined() {
		return ""
	}
	for name, n := range networks {
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

// Remove removes the lab's containers and its network, and everything else with the run label of that network. The
// volumes of a lab that Docker Compose brought up have the run label only: they stay when Compose takes the lab down, and
// when another lab of its name is removed.
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
	e.forwards.close(func(r engine.Ref) bool { return r.Lab == lab })
	return nil
}
