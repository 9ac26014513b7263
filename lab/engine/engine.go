// Package engine says what a lab needs from the thing that its nodes run on.
//
// An [Engine] is small on purpose: it creates, starts and stops nodes, runs commands beside them, and lists what exists. It
// knows nothing about Nomad. What exists is always read from the engine itself, such as containers' labels, and never from
// a file of this program, so that a lab can be listed and removed after a crash and from another terminal.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path/filepath"
	"time"
)

var (
	// ErrUnavailable is returned if the engine cannot be used: it is not installed, does not run, or this user may not use
	// it. The text says which, and what to do.
	ErrUnavailable = errors.New("engine unavailable")
	// ErrDenied is an ErrUnavailable of an engine that runs, but that this user may not use. It may have labs.
	ErrDenied = fmt.Errorf("%w: this user may not use it", ErrUnavailable)
	// ErrSubnetTaken is returned by CreateNetwork if the subnet overlaps one that is in use.
	ErrSubnetTaken = errors.New("subnet is in use")
	// ErrExists is returned for a name that exists already, for example because another start of it was faster.
	ErrExists = errors.New("exists already")
	// ErrNotFound is returned if a lab's node does not exist. The text names it.
	ErrNotFound = errors.New("not found")
	// ErrNoSpace is returned if the engine's disk is full.
	ErrNoSpace = errors.New("no space left on the engine's disk")
)

// CopyOutLimit is the largest file that CopyOut returns, in bytes. It returns an error for a larger one.
const CopyOutLimit = 16 << 20

// Engine runs the nodes of labs. Every method may be called from several goroutines at once. Package enginetest checks what
// is documented here for every engine.
type Engine interface {
	// Name returns the user's name for the engine, such as "docker".
	Name() string
	// DockerHost returns the address of the Docker daemon that has the nodes' images. It is empty for an engine that runs a
	// nomad binary.
	DockerHost() string
	// Site returns what a plan for this engine needs to know.
	Site() Site
	// Lacks returns why the engine does not have a feature, or "" if it has it.
	Lacks(f Feature) string
	// Footprint returns how another process can recognise everything that was created with that label.
	Footprint(label, value string) Footprint
	// Close closes connections. Labs go on.
	Close() error

	// Occupied returns the subnets that the engine's networks use now.
	Occupied(ctx context.Context) ([]netip.Prefix, error)
	// CreateNetwork creates a lab's network. It returns ErrSubnetTaken if the subnet is not free, and ErrExists if the lab
	// has a network already.
	CreateNetwork(ctx context.Context, n Network) error
	// Create creates a node with its files, ready to be started.
	Create(ctx context.Context, n Node) error
	// Start starts a created or stopped node and returns its new state: published ports change with every start.
	Start(ctx context.Context, r Ref) (State, error)
	// Stop sends the node SIGTERM, and kills it after the grace period. A node that does not run is no error.
	Stop(ctx context.Context, r Ref, grace time.Duration) error
	// Kill kills the node with SIGKILL. A node that does not run is no error.
	Kill(ctx context.Context, r Ref) error
	// Pause suspends a running node: it keeps its connections and ports, and does not answer. It counts as running. A node
	// that does not run is an error.
	Pause(ctx context.Context, r Ref) error
	// Resume resumes a paused node. A node that does not run is an error.
	Resume(ctx context.Context, r Ref) error
	// Exec runs a command inside a running node and returns its exit code. If ctx ends first, the error wraps ctx's, and the
	// command may go on. A node that does not run is an error.
	Exec(ctx context.Context, r Ref, c Command) (int, error)
	// Run runs a command to its end, outside all nodes but on the lab's network, and returns its exit code. It leaves nothing
	// behind.
	Run(ctx context.Context, t Task) (int, error)
	// Logs returns the node's standard output and standard error together, from the first line. With follow it goes on until
	// the node ends or the reader is closed.
	Logs(ctx context.Context, r Ref, follow bool) (io.ReadCloser, error)

	// CopyOut returns the regular files in a folder of a node, or of another part of the lab, whether it runs or not. It does
	// not descend into folders. It returns ErrNotFound if the part or the folder does not exist.
	CopyOut(ctx context.Context, r Ref, folder string) ([]File, error)

	// CopyIn writes files into a node, whether it runs or not. It replaces each existing file as a whole: a reader sees the old
	// content or the new one. It returns ErrNotFound if the node does not exist, or a file's folder, unless an earlier one of the
	// files is that folder. Files before the one that fails may have been written.
	CopyIn(ctx context.Context, r Ref, files []File) error
	// Reload sends the node's program SIGHUP, and nothing to what the program has started. A node that does not run is an error.
	Reload(ctx context.Context, r Ref) error
	// RestartProgram ends the node's program and starts it again, as a service manager does: what the program has started, such
	// as a client's task executors and tasks, goes on until Stop, Kill or Remove, or until the program ends by itself. The node
	// keeps its addresses, published ports and files, and the time at which it was started. A program that ends at once is no
	// error: its State is that of a node that has ended, as with Start. A node that does not run or is paused is an error.
	RestartProgram(ctx context.Context, r Ref, o Restart) (State, error)

	// Nodes returns the nodes of one lab, running or not, in the order of their names. An unknown lab has none.
	Nodes(ctx context.Context, lab string) ([]State, error)
	// Labs returns every lab of which anything exists, by name.
	Labs(ctx context.Context) (map[string]LabState, error)
	// Remove removes everything of the lab with that name, of every run. An unknown lab is no error.
	Remove(ctx context.Context, lab string) error
}

// Site describes where an engine's nodes run.
type Site struct {
	// Pools are the ranges in which a lab's subnet is chosen, in this order.
	Pools []netip.Prefix
	// Folder has the engine's nodes: the files of a node are below Folder/RUN/NODE. It is empty for an engine that gives
	// every node a file system and a network of its own.
	Folder string
}

// Contained reports whether every node has its own file system, network and users, and shares none of this machine's.
func (s Site) Contained() bool { return s.Folder == "" }

// Of returns the folder of one run of a lab, or "" if nodes are contained.
func (s Site) Of(run string) string {
	if s.Contained() {
		return ""
	}
	return filepath.Join(s.Folder, run)
}

// Feature is something that not every engine has.
type Feature string

// Containment means that a node's tasks have access neither to this machine's files nor to its network.
const Containment Feature = "containment"

// SharedLoopback means that nodes are on this machine's loopback: this process can listen at a node's address on another
// port, where the other nodes can reach it, and other machines cannot.
const SharedLoopback Feature = "shared loopback"

// Footprint identifies objects that belong together. A zero field means that the engine has no such objects.
type Footprint struct {
	// DockerHost is the address of the Docker daemon that has the lab's containers and networks.
	DockerHost string
	// Label is the key=value label of all of them.
	Label string
	// Marker is the NAME=value in the environment of the lab's processes.
	Marker string
	// Folders are their folders on this machine's disk.
	Folders []string
}

// RunVariable is an environment variable of every process of a run of a lab. Its value is the run's name.
const RunVariable = "NOMADLAB_RUN"

// Restart says how RestartProgram ends a node's program, and what it starts then.
type Restart struct {
	// Grace is how long the program has to end after SIGTERM, before SIGKILL.
	Grace time.Duration
	// Binary is the path on this machine of what the node runs from then on, at later starts too, in place of its Program. Empty:
	// the same as before.
	Binary string
}

// Ref names a node of a lab.
type Ref struct{ Lab, Node string }

func (r Ref) String() string { return r.Lab + "/" + r.Node }

// Network is the network of one lab.
type Network struct {
	Lab string
	// Run is the name of this run of the lab, which is unique.
	Run    string
	Subnet netip.Prefix
	// Labels are stored with the lab, such as when it may be removed.
	Labels map[string]string
}

// Node describes an agent that the engine is to create.
type Node struct {
	Ref
	// Run is that of the lab's network.
	Run string
	// Image is what the node is started from: a container image, or the path of a binary for an engine whose DockerHost is
	// empty.
	Image string
	// Command is the program and its arguments.
	Command []string
	// Program is the name by which Command finds what an engine without images starts nodes from. Empty: nomad.
	Program string
	// Folder is the working folder. Empty: the image's, or a folder of the engine's own.
	Folder string
	// Environment holds NAME=value entries.
	Environment []string
	// User is "uid:gid". Empty: the image's own user, or, for an engine without images, one without privileges.
	User string
	// Address is the node's fixed address on the lab's network.
	Address netip.Addr
	// Aliases are further names of the node on the lab's network.
	Aliases []string
	// Ports are the TCP ports to publish, each on a free port of 127.0.0.1. At least one is required.
	Ports []uint16
	// Inside are those of the Ports that the node serves only on its own loopback (127.0.0.1 inside the node), which
	// publishing does not reach. For them, State.Endpoints has a listener of this process on this machine's 127.0.0.1 that
	// forwards connections. If nodes are not contained, their loopback is their Address, and Inside has no effect.
	Inside []uint16
	// Files are written before the start.
	Files []File
	// Labels are stored with the node.
	Labels map[string]string
}

// File is a file or folder of a node.
type File struct {
	// Path is absolute, inside the node. If the Site has a Folder, Path is below the node's folder there.
	Path string
	// Mode is the permission bits, and fs.ModeDir for a folder.
	Mode fs.FileMode
	// Owner is the numeric user and group. It has no effect if Node.User is empty: the node's user is the owner then.
	Owner int
	// Data is the content. Folders have none.
	Data []byte
}

// Command is what Exec runs.
type Command struct {
	Args []string
	// Environment holds NAME=value entries.
	Environment []string
	Streams
}

// Streams are the standard streams of a command. A nil Stdin is empty, and nil writers discard. Stdout and Stderr may be the
// same writer, which is then not called concurrently.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Terminal gives the command a terminal: both outputs are then written to Stdout. Its size comes from Size, at the
	// start and whenever Resized receives.
	Terminal bool
	// Size returns the width and height in characters. Nil leaves the default.
	Size func() (width, height uint)
	// Resized receives when Size has changed. It may be nil.
	Resized <-chan struct{}
}

// Task is what Run runs. Its Node describes where, and does not stay.
type Task struct {
	Node
	Streams
	// Offline says that the command calls nobody. The Docker engine gives it no network then, which halves the start of its
	// container. Other engines may ignore it.
	Offline bool
}
