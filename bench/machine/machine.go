// Package machine says what a benchmark runs on.
package machine

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/moby/moby/client"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"

	"nomadlab.internal/bench/measure"
)

// Describe says what this machine is. What cannot be found out stays empty: it is for readers, and no measurement
// depends on it. dockerHost is the address of the Docker daemon; empty: there is none.
func Describe(ctx context.Context, dockerHost string) measure.Machine {
	m := measure.Machine{Cores: runtime.NumCPU(), Go: strings.TrimPrefix(runtime.Version(), "go")}
	if all, err := cpu.InfoWithContext(ctx); err == nil && len(all) > 0 {
		m.CPU = all[0].ModelName
	}
	if memory, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		m.Memory = memory.Total
	}
	if kernel, err := host.KernelVersionWithContext(ctx); err == nil {
		m.Kernel = fmt.Sprintf("%s %s", runtime.GOOS, kernel)
	}
	if average, err := load.AvgWithContext(ctx); err == nil {
		m.Load = average.Load1
	}
	if dockerHost != "" {
		m.Docker = dockerVersion(ctx, dockerHost)
	}
	return m
}

func dockerVersion(ctx context.Context, at string) string {
	docker, err := client.New(client.WithHost(at))
	if err != nil {
		return ""
	}
	defer func() { _ = docker.Close() }()
	v, err := docker.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return ""
	}
	return v.Version
}
