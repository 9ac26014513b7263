package process

import (
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

	"nomadlab.internal/lab/engine"
)

// What the engine writes down lies in a folder of its own beside the nodes' folders, because those belong to the agents: a
// task could put a link there, and the engine, which may be root, would write through it.
const (
	ownFolder  = ".engine"
	labFile    = "lab.json"
	nodeFile   = "node.json"
	startFile  = "process.json"
	userFile   = "user"
	exitFile   = "exit"
	logFile    = "log"
	startLock  = "lock"
	nodesInOwn = "nodes"
)

// labRecord is what is known of a run of a lab.
type labRecord struct {
	Lab     string
	Run     string
	Created time.Time
	Subnet  netip.Prefix
	Labels  map[string]string
	// Task is true where the run is that of a single command, and no lab's.
	Task bool
}

// nodeRecord is what Start must know of a node. It has none of its files.
type nodeRecord struct {
	engine.Ref
	Run         string
	Image       string
	Command     []string
	Environment []string
	UID, GID    int
	Address     netip.Addr
	Ports       []uint16
	Labels      map[string]string
	// Caller is the first address of the lab's subnet.
	Caller netip.Addr
}

// startRecord tells the process of a node from a later one of its number.
type startRecord struct {
	PID     int
	Ticks   uint64
	Started time.Time
}

// run is where one run of a lab has its files.
type run struct{ folder string }

func (e *Engine) run(name string) run { return run{filepath.Join(e.root, name)} }

func (r run) own(names ...string) string {
	return filepath.Join(append([]string{r.folder, ownFolder}, names...)...)
}

// make makes the folders of a run that is not there yet; agents that are apart can come through them.
func (r run) make(apart bool) error {
	for _, folder := range []string{r.folder, r.own()} {
		if err := makeFolder(folder, passable(apart)); err != nil {
			return err
		}
	}
	return makeFolder(r.own(nodesInOwn), 0o700)
}

// makeFolder makes one with exactly that mode, which a umask would change.
func makeFolder(path string, mode fs.FileMode) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// node is where the engine keeps what it knows of a node.
func (r run) node(name string) string { return r.own(nodesInOwn, name) }

// home is the node's own folder.
func (r run) home(node string) string { return filepath.Join(r.folder, node) }

// save writes a record in one step: a reader sees all of it or nothing.
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

// load reads a record. What is gone, as in a lab that is being removed, or was never written to its end, is not there and
// no error.
func load[T any](path string) (record T, there bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record, false, nil
	}
	if err != nil {
		return record, false, err
	}
	return record, json.Unmarshal(text, &record) == nil, nil
}

// runs are the records of all runs, tasks' included. One that a power cut left empty keeps nobody from using the others.
func (e *Engine) runs() ([]labRecord, error) {
	entries, err := os.ReadDir(e.root)
	if err != nil {
		return nil, fmt.Errorf("list process labs: %w", err)
	}
	var all []labRecord
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		record, there, err := load[labRecord](e.run(entry.Name()).own(labFile))
		if err != nil {
			return nil, err
		}
		if there {
			all = append(all, record)
		}
	}
	return all, nil
}

// foldersOf are the folders of all runs of a lab. Where they cannot be listed there are none.
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

// records are those of a lab's nodes, in the order of their names.
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
		entries, err := os.ReadDir(e.run(r.Run).own(nodesInOwn))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list the nodes of lab %s: %w", lab, err)
		}
		for _, entry := range entries {
			n, there, err := load[nodeRecord](filepath.Join(e.run(r.Run).node(entry.Name()), nodeFile))
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

// record is that of one node, or engine.ErrNotFound.
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
