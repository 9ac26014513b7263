// Package process runs the nodes of labs as ordinary processes of this machine: each on a loopback address of its own,
// with Nomad's own ports, without a container engine and without root.
//
// What runs is what /proc says: every process of a lab bears the lab's, the node's and the run's name in its environment,
// and so do the task executors and tasks that a client starts. What exists but does not run is the node's folder. A
// process whose folder was lost is still listed, stopped and removed.
//
// Agents never run as root. Where the caller is root each gets a user that nobody else has; see [Engine.Create].
package process

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
)

// Engine is an [engine.Engine] on this machine itself. Build it with New.
type Engine struct {
	// root is the folder that has all runs.
	root   string
	agents agents
	// linking lets one goroutine at a time bring a nomad binary to where the agents may reach it.
	linking *sync.Mutex
}

var _ engine.Engine = (*Engine)(nil)

// New keeps its nodes in the folder nomadlab-UID of the temporary folder. That is short on purpose: the socket of a task's
// API lies below it, and Linux allows 108 bytes for the path of a socket (client/allocrunner/taskrunner/api_hook.go, Nomad
// 1.11.3). It returns an error that wraps engine.ErrUnavailable where this is not Linux, and where the folder cannot be
// used, because it is somebody else's say.
func New() (*Engine, error) {
	return NewIn(filepath.Join(os.TempDir(), fmt.Sprintf("nomadlab-%d", os.Geteuid())))
}

// NewIn is New with a folder of the caller's choice, which is made if it is not there. Engines see each other's labs only
// where they have the same folder.
func NewIn(folder string) (*Engine, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("%w: processes are recognised by Linux's /proc, and this is %s: use Docker", engine.ErrUnavailable, runtime.GOOS)
	}
	agents, err := agentsOf(os.Geteuid())
	if err != nil {
		return nil, err
	}
	root, err := prepare(folder, agents.apart)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return &Engine{root: root, agents: agents, linking: new(sync.Mutex)}, nil
}

// Name is "process".
func (e *Engine) Name() string { return "process" }

// DockerHost is empty: nodes are started from a nomad binary.
func (e *Engine) DockerHost() string { return "" }

// Site is a quarter of loopback that hardly anything else uses, and the folder of all runs.
func (e *Engine) Site() engine.Site {
	return engine.Site{Pools: []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")}, Folder: e.root}
}

// Lacks says that nothing is contained here.
func (e *Engine) Lacks(f engine.Feature) string {
	if f == engine.Containment {
		return "nodes and their tasks are ordinary processes of this machine: they see its files and its network"
	}
	return ""
}

// Footprint knows the labels lab and run. Of any other, and of a value that cannot be a name, there are no traces.
func (e *Engine) Footprint(label, value string) engine.Footprint {
	if checkName(value) != nil {
		return engine.Footprint{}
	}
	switch label {
	case "run":
		return engine.Footprint{Marker: markRun + value, Folders: []string{e.run(value).folder}}
	case "lab":
		return engine.Footprint{Marker: e.at(value), Folders: e.foldersOf(value)}
	default:
		return engine.Footprint{}
	}
}

// Close has nothing to give back.
func (e *Engine) Close() error { return nil }

// at is the mark of all that a lab of this engine has.
func (e *Engine) at(lab string) string { return markAt + filepath.Join(e.root, lab) }

// Remove kills all that bears the lab's name, tasks included, and removes the folders of its runs. As root it also kills a
// process to which another user gave the lab's marks: that is of that user's own making, and so is what descends from it.
func (e *Engine) Remove(ctx context.Context, lab string) error {
	if err := checkName(lab); err != nil {
		return fmt.Errorf("remove lab %q: %w", lab, err)
	}
	var ending []procfs.Process
	for _, m := range scan(e.at(lab), e.agents.orCaller) {
		ending = append(ending, m.Process)
	}
	t := watchdog.Target{Marker: e.at(lab), Folders: e.foldersOf(lab)}
	if _, err := watchdog.Sweep(ctx, t); err != nil {
		return fmt.Errorf("remove lab %s: %w", lab, err)
	}
	for _, p := range ending {
		awaitCollected(ctx, p)
	}
	return nil
}
