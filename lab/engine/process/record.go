package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
)

// Files of the engine. They are in a folder of its own beside the nodes' folders, because those belong to the agents: a task
// could put a link there, and the engine, which may be root, would write through it.
const (
	ownFolder = ".engine"
	labFile   = "lab.json"
	nodeFile  = "node.json"
	startFile = "process.json"
	userFile  = "user"
	exitFile  = "exit"
	logFile   = "log"
	startLock = "lock"
	// restartFile names the agent that RestartProgram ends, and whose tasks go on.
	restartFile = "restart.json"
	nodesInOwn  = "nodes"
)

// labRecord describes a run of a lab.
type labRecord struct {
	Lab     string
	Run     string
	Created time.Time
	Subnet  netip.Prefix
	Labels  map[string]string
	// Task is true for the run of a single command, which is no lab.
	Task bool
}

// nodeRecord is what Start needs of a node. It has none of its files.
type nodeRecord struct {
	engine.Ref
	Run   string
	Image string
	// Program is the name of the link to the Image. Empty: nomad.
	Program     string
	Command     []string
	Folder      string
	Environment []string
	UID, GID    int
	// OwnersGiven is true if the node's User was given, and so its files have their own owners.
	OwnersGiven bool
	Address     netip.Addr
	Ports       []uint16
	Labels      map[string]string
	// Caller is the first address of the lab's subnet.
	Caller netip.Addr
}

// startRecord identifies a node's process, even if its PID is used again.
type startRecord struct {
	PID     int
	Ticks   uint64
	Started time.Time
}

// run is the folder of one run of a lab.
type run struct{ folder string }

func (e *Engine) run(name string) run { return run{filepath.Join(e.root, name)} }

func (r run) own(names ...string) string {
	return filepath.Join(append([]string{r.folder, ownFolder}, names...)...)
}

// make makes the folders of a new run. If separate is true, other users may pass through them.
func (r run) make(separate bool) error {
	for _, folder := range []string{r.folder, r.own()} {
		if err := makeFolder(folder, folderMode(separate)); err != nil {
			return err
		}
	}
	return makeFolder(r.own(nodesInOwn), 0o700)
}

// makeFolder makes a folder with exactly that mode, whatever the umask.
func makeFolder(path string, mode fs.FileMode) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// node returns the engine's folder for a node.
func (r run) node(name string) string { return r.own(nodesInOwn, name) }

// home returns the node's own folder.
func (r run) home(node string) string { return filepath.Join(r.folder, node) }

// save writes a record atomically.
func save(path string, record any) error {
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// load reads a record. ok is false, without an error, if the file is missing or incomplete.
func load[T any](path string) (record T, ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record, false, nil
	}
	if err != nil {
		return record, false, err
	}
	return record, json.Unmarshal(text, &record) == nil, nil
}

// runs returns the records of all runs, including those of tasks. It passes over runs without a complete record.
func (e *Engine) runs() ([]labRecord, error) {
	names, err := namesIn(e.root)
	if err != nil {
		return nil, fmt.Errorf("list process labs: %w", err)
	}
	var all []labRecord
	for _, name := range names {
		record, there, err := load[labRecord](e.run(name).own(labFile))
		if err != nil {
			return nil, err
		}
		if there {
			all = append(all, record)
		}
	}
	return all, nil
}

// foldersOf returns the folders of all runs of a lab, or none if they cannot be listed.
func (e *Engine) foldersOf(lab string) []string {
	all, _ := e.runs()
	var folders []string
	for _, r := range all {
		if r.Lab == lab {
			folders = append(folders, e.run(r.Run).folder)
		}
	}
	return folders
}

// records returns those of a lab's nodes, in the order of their names.
func (e *Engine) records(lab string) ([]nodeRecord, error) {
	all, err := e.runs()
	if err != nil {
		return nil, err
	}
	var nodes []nodeRecord
	for _, r := range all {
		if r.Lab != lab || r.Task {
			continue
		}
		names, err := namesIn(e.run(r.Run).own(nodesInOwn))
		if err != nil {
			return nil, fmt.Errorf("list the nodes of lab %s: %w", lab, err)
		}
		for _, name := range names {
			n, there, err := load[nodeRecord](filepath.Join(e.run(r.Run).node(name), nodeFile))
			if err != nil {
				return nil, err
			}
			if there {
				nodes = append(nodes, n)
			}
		}
	}
	slices.SortFunc(nodes, func(a, b nodeRecord) int { return strings.Compare(a.Node, b.Node) })
	return nodes, nil
}

// record returns that of one node, or engine.ErrNotFound.
func (e *Engine) record(r engine.Ref) (nodeRecord, error) {
	nodes, err := e.records(r.Lab)
	for _, n := range nodes {
		if n.Node == r.Node {
			return n, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: node %s", engine.ErrNotFound, r)
	}
	return nodeRecord{}, err
}

// withLock calls a function while no other process reserves a name, a subnet or a run.
func (e *Engine) withLock(ctx context.Context, do func() error) error {
	lock := flock.New(filepath.Join(e.root, ".lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockInterval); err != nil {
		return fmt.Errorf("lock the folder of process labs: %w", e.explain(err))
	}
	defer func() { _ = lock.Close() }()
	return do()
}

// removeUnrecorded removes the folders of runs that a crash left without a record, with the keys that they may have: no list
// shows them. The caller holds the lock, under which records are written. A folder that cannot be removed is tried again
// with the next lab.
func (e *Engine) removeUnrecorded(ctx context.Context) {
	names, _ := namesIn(e.root)
	for _, name := range names {
		if checkName(name) != nil {
			continue
		}
		_, there, err := load[labRecord](e.run(name).own(labFile))
		if err != nil || there || len(scan(markRun+name, e.users.includeOrCaller)) > 0 {
			continue
		}
		_, _ = watchdog.Sweep(ctx, watchdog.Target{Folders: []string{e.run(name).folder}})
	}
}

// claim makes the run of a task if it does not exist, and returns the paths to remove after the task. It refuses the run of
// another task: the first to end would remove the other's files.
func (e *Engine) claim(ctx context.Context, t engine.Task, folder string) (made []string, err error) {
	r := e.run(t.Run)
	err = e.withLock(ctx, func() error {
		err := r.make(false)
		if errors.Is(err, fs.ErrExist) {
			return r.checkShared(t)
		}
		made = []string{r.folder}
		if err == nil {
			err = save(r.own(labFile), labRecord{Lab: t.Lab, Run: t.Run, Task: true})
		}
		return err
	})
	if err != nil || len(made) > 0 {
		return made, err
	}
	return e.newPaths(t, folder), nil
}

// checkShared returns why a task cannot have its files in an existing run.
func (r run) checkShared(t engine.Task) error {
	record, there, err := load[labRecord](r.own(labFile))
	if err != nil {
		return err
	}
	if !there || record.Task || record.Lab != t.Lab {
		return fmt.Errorf("%w: run %s is not lab %s's own: give the task another run, or none", engine.ErrExists, t.Run, t.Lab)
	}
	return nil
}
