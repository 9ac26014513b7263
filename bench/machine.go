package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"

	"nomadlab.internal/internal/procfs"
)

// machine describes what a run was measured on. An empty field is not known: no measurement depends on it.
type machine struct {
	cpu    string
	cores  int
	memory uint64 // in bytes
	// kernel, docker, golang and nomad are versions.
	kernel, docker, golang, nomad string
	// load is the load average of the minute before the run starts anything.
	load float64
}

// describe returns what this machine is. docker is nil if the Docker daemon is not used.
func describe(ctx context.Context, docker *client.Client) machine {
	m := machine{cores: runtime.NumCPU(), golang: strings.TrimPrefix(runtime.Version(), "go")}
	if all, err := cpu.InfoWithContext(ctx); err == nil && len(all) > 0 {
		m.cpu = all[0].ModelName
	}
	if memory, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		m.memory = memory.Total
	}
	if kernel, err := host.KernelVersionWithContext(ctx); err == nil {
		m.kernel = runtime.GOOS + " " + kernel
	}
	if average, err := load.AvgWithContext(ctx); err == nil {
		m.load = average.Load1
	}
	if docker != nil {
		if v, err := docker.ServerVersion(ctx, client.ServerVersionOptions{}); err == nil {
			m.docker = v.Version
		}
	}
	return m
}

// memory is the memory that the agents of a ready cluster use. total and private are sums in bytes.
type memory struct {
	nodes int
	// total counts pages that several processes share, such as their program, once for each of them (RSS). For
	// containers it is what the daemon's statistics charge, without the cache of files that are not in use.
	total uint64
	// private leaves out what is backed by files: it is what one more agent really takes.
	private uint64
	// counted describes for readers how it was counted.
	counted string
}

func (m *memory) add(total, private uint64) {
	m.nodes++
	m.total += total
	m.private += private
}

// processMemory counts the processes that have the marker, NAME=value, in their environment.
func processMemory(marker string) (memory, error) {
	all, err := procfs.PIDs()
	if err != nil {
		return memory{}, err
	}
	out := memory{counted: "resident memory (RSS) of each agent's process, from /proc; private: without what is backed by files"}
	for _, pid := range all {
		environment, err := procfs.Environment(pid)
		if err != nil || !slices.Contains(environment, marker) {
			continue // it is another user's, or it has ended
		}
		resident, fileBacked, err := procfs.Memory(pid)
		if err != nil {
			return memory{}, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		out.add(resident, resident-min(fileBacked, resident))
	}
	if out.nodes == 0 {
		return memory{}, errors.New("no process has the lab's marker " + marker)
	}
	return out, nil
}

// containerMemory counts the running containers that have the label, key=value.
func containerMemory(ctx context.Context, docker *client.Client, label string) (memory, error) {
	list, err := docker.ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return memory{}, fmt.Errorf("list the lab's containers: %w", err)
	}
	out := memory{counted: "what the Docker daemon's statistics charge each container, without the cache of files that are not in use; " +
		"private: without all cache"}
	for _, c := range list.Items {
		s, err := containerStats(ctx, docker, c.ID)
		if err != nil {
			return memory{}, fmt.Errorf("statistics of container %s: %w", c.ID, err)
		}
		out.add(charged(s.MemoryStats))
	}
	if out.nodes == 0 {
		return memory{}, errors.New("no container has the lab's label " + label)
	}
	return out, nil
}

func containerStats(ctx context.Context, docker *client.Client, id string) (s container.StatsResponse, err error) {
	answer, err := docker.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return s, err
	}
	defer func() { _ = answer.Body.Close() }()
	err = json.NewDecoder(answer.Body).Decode(&s)
	return s, err
}

// charged counts as `docker stats` does. The two versions of cgroups name the fields differently.
func charged(m container.MemoryStats) (total, private uint64) {
	inactive, private := m.Stats["total_inactive_file"], m.Stats["total_rss"]
	if _, second := m.Stats["anon"]; second {
		inactive, private = m.Stats["inactive_file"], m.Stats["anon"]
	}
	return m.Usage - min(inactive, m.Usage), private
}
