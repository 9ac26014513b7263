// Package process runs the nodes of labs as ordinary processes of this machine: each on a loopback address of its own,
// with Nomad's own ports, without a container engine and without root.
//
// What runs is read from /proc: every process of a lab has the names of the lab, the node and the run in its environment,
// and so have the task executors and tasks that a client starts. A node that does not run is a folder. A process whose
// folder was lost is still listed, stopped and removed.
//
// Agents never run as root. If the caller is root, each node gets a user of its own; see [Engine.Create].
package process

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
)

// Engine is an [engine.Engine] on this machine itself. Make it with New.
type Engine struct {
	// root is the folder of all runs.
	root  string
	users nodeUsers
	// binaryMu is held while a nomad binary is linked or copied into a run's folder.
	binaryMu *sync.Mutex
}

var _ engine.Engine = (*Engine)(nil)

// New returns an engine that keeps its nodes in the folder nomadlab-UID of the temporary folder. The name is short because
// the socket of a task's API is below it, and Linux allows 108 bytes for the path of a socket
// (client/allocrunner/taskrunner/api_hook.go, Nomad 1.11.3). New returns an error that wraps engine.ErrUnavailable if this
// is not Linux, or if the folder cannot be used, for example because it is another user's.
func New() (*Engine, error) {
	return NewIn(filepath.Join(os.TempDir(), fmt.Sprintf("nomadlab-%d", os.Geteuid())))
}

// NewIn is like New, with a folder of the caller's choice, which it makes if it does not exist. Engines see each other's
// labs only if they have the same folder.
func NewIn(folder string) (*Engine, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("%w: processes are recognised by Linux's /proc, and this is %s: use Docker", engine.ErrUnavailable, runtime.GOOS)
	}
	agents, err := nodeUsersFor(os.Geteuid())
	if err != nil {
		return nil, err
	}
	root, err := prepareRoot(folder, agents.separate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return &Engine{root: root, users: agents, binaryMu: new(sync.Mutex)}, nil
}

// Name returns "process".
func (e *Engine) Name() string { return "process" }

// DockerHost returns "": nodes are started from a nomad binary.
func (e *Engine) DockerHost() string { return "" }

// Site returns a quarter of loopback that hardly any other program uses, and the folder of all runs.
func (e *Engine) Site() engine.Site {
	return engine.Site{Pools: []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")}, Folder: e.root}
}

// Lacks returns a reason for Containment alone.
func (e *Engine) Lacks(f engine.Feature) string {
	if f == engine.Containment {
		return "nodes and their tasks are ordinary processes of this machine: they see its files and its network"
	}
	return ""
}

// Footprint knows the labels lab and run. It is empty for another label, and for a value that cannot be a name.
func (e *Engine) Footprint(label, value string) engine.Footprint {
	if checkName(value) != nil {
		return engine.Footprint{}
	}
	switch label {
	case "run":
		return engine.Footprint{Marker: markRun + value, Folders: []string{e.run(value).folder}}
	case "lab":
		return engine.Footprint{Marker: e.markOf(value), Folders: e.foldersOf(value)}
	default:
		return engine.Footprint{}
	}
}

// Close does nothing.
func (e *Engine) Close() error { return nil }

// markOf returns the mark of all processes of a lab of this engine.
func (e *Engine) markOf(lab string) string { return markAt + filepath.Join(e.root, lab) }

// Remove kills all processes with the lab's mark, tasks included, and removes the folders of its runs. As root it also
// kills a process of another user who set the lab's mark.
func (e *Engine) Remove(ctx context.Context, lab string) error {
	if err := checkName(lab); err != nil {
		return fmt.Errorf("remove lab %q: %w", lab, err)
	}
	var ending []procfs.Process
	for _, m := range scan(e.markOf(lab), e.users.includeOrCaller) {
		ending = append(ending, m.Process)
	}
	t := watchdog.Target{Marker: e.markOf(lab), Folders: e.foldersOf(lab)}
	if _, err := watchdog.Sweep(ctx, t); err != nil {
		return fmt.Errorf("remove lab %s: %w", lab, err)
	}
	for _, p := range ending {
		awaitCollected(ctx, p)
	}
	return nil
}

// explain wraps a full disk's error in engine.ErrNoSpace.
func (e *Engine) explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w: free some space on the disk of %s, or let TMPDIR name a folder on another", engine.ErrNoSpace, err, e.root)
	}
	return err
}

// checkName returns an error for a name that cannot be a folder's, or that looks like one of the engine's own.
func checkName(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("name %q cannot be a folder's: it must not be empty, begin with a dot or contain a slash", name)
	}
	return nil
}
