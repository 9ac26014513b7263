package contest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/bench/measure"
	"nomadlab.internal/internal/procfs"
)

// processMemory counts the processes that have the marker, NAME=value, in their environment.
func processMemory(marker string) (measure.Memory, error) {
	all, err := procfs.PIDs()
	if err != nil {
		return measure.Memory{}, err
	}
	out := measure.Memory{Counted: "resident memory (RSS) of each agent's process, as /proc has it; private: without what is backed by files"}
	for _, pid := range all {
		environment, err := procfs.Environment(pid)
		if err != nil || !slices.Contains(environment, marker) {
			continue // another user's, or it has ended
		}
		resident, fileBacked, err := procfs.Memory(pid)
		if err != nil {
			return measure.Memory{}, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		out.Nodes++
		out.Total += resident
		out.Private += resident - min(fileBacked, resident)
	}
	if out.Nodes == 0 {
		return measure.Memory{}, errors.New("no process bears the lab's marker " + marker)
	}
	return out, nil
}

// containerMemory counts the containers that bear the label, key=value, and run.
func containerMemory(ctx context.Context, host, label string) (measure.Memory, error) {
	docker, err := client.New(client.WithHost(host))
	if err != nil {
		return measure.Memory{}, fmt.Errorf("connect to the Docker daemon at %s: %w", host, err)
	}
	defer func() { _ = docker.Close() }()
	list, err := docker.ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return measure.Memory{}, fmt.Errorf("list the lab's containers: %w", err)
	}
	out := measure.Memory{Counted: "what the Docker daemon's statistics charge each container, without the cache of files that are not in use; private: without all cache"}
	for _, c := range list.Items {
		total, private, err := oneContainer(ctx, docker, c.ID)
		if err != nil {
			return measure.Memory{}, fmt.Errorf("statistics of container %s: %w", c.ID, err)
		}
		out.Nodes++
		out.Total += total
		out.Private += private
	}
	if out.Nodes == 0 {
		return measure.Memory{}, errors.New("no container bears the lab's label " + label)
	}
	return out, nil
}

func oneContainer(ctx context.Context, docker *client.Client, id string) (total, private uint64, err error) {
	answer, err := docker.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	var s container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return 0, 0, err
	}
	total, private = charged(s.MemoryStats)
	return total, private, nil
}

// charged counts as `docker stats` does. The fields are called otherwise in the two versions of cgroups.
func charged(m container.MemoryStats) (total, private uint64) {
	inactive, private := m.Stats["total_inactive_file"], m.Stats["total_rss"]
	if _, second := m.Stats["anon"]; second {
		inactive, private = m.Stats["inactive_file"], m.Stats["anon"]
	}
	return m.Usage - min(inactive, m.Usage), private
}
