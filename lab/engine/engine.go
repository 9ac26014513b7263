// Package engine says what a lab needs from the thing that its nodes run on.
//
// An [Engine] is small on purpose: it creates, starts and ends nodes, runs commands beside them, and tells what is
// there. It knows nothing about Nomad. What is there is always asked of the engine itself (of its containers' labels,
// say) and never read from a file, so that a lab can be listed and removed after a crash and from another terminal.
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
	// ErrUnavailable is returned when the engine cannot be used at all: it is not installed, it does not run, or this
	// user may not talk to it. The text says which, and what mends it.
	ErrUnavailable = errors.New("engine unavailable")
	// ErrDenied is an ErrUnavailable of an engine that is there, and that this user may not talk to: it may well have labs.
	ErrDenied = fmt.Errorf("%w: this user may not use it", ErrUnavailable)
	// ErrSubnetTaken is returned by CreateNetwork when the subnet overlaps one that the engine already uses.
	ErrSubnetTaken = errors.New("subnet is in use")
	// ErrExists is returned when another lab of the same name was faster.
	ErrExists = errors.New("exists already")
	// ErrNotFound is returned when a lab's node does not exist. The text names it.
	ErrNotFound = errors.New("not found")
	// ErrNoSpace is returned when the engine's disk is full.
	ErrNoSpace = errors.New("no space left on the engine's disk")
)

// Engine runs the nodes of labs. Every method may be called from several goroutines at once. What is promised here, package
// enginetest checks of every engine.
type Engine interface {
	// Name is what a user calls the engine, such as "docker".
	Name() string
	// DockerHost is the address of the Docker daemon whose image store nodes are started from. Empty for an engine
	// that runs a Nomad binary itself.
	DockerHost() string
	// Site is what a plan for this engine must know of it.
	Site() Site
	// Lacks says why a feature cannot be had here. Empty: it can.
	Lacks(f Feature) string
	// Footprint is how everything that was created with that label can be recognised from outside this process.
	Footprint(label, value string) Footprint
	// Close gives back connections. Labs go on.
	Close() error

	// Occupied returns the subnets that the engine's networks use now.
	Occupied(ctx context.Context) ([]netip.Prefix, error)
	// CreateNetwork makes a lab's network; it returns ErrSubnetTaken when the subnet is not free, and ErrExists when the
	// lab has a network already.
	CreateNetwork(ctx context.Context, n Network) error
	// Create makes a node with its files in place, ready to be started.
	Create(ctx context.Context, n Node) error
	// Start starts a created or stopped node and returns its new state: published ports change with every start.
	Start(ctx context.Context, r Ref) (State, error)
	// Stop asks the node to end with SIGTERM, and kills it after the grace period. A node that does not run is no error.
	Stop(ctx context.Context, r Ref, grace time.Duration) error
	// Kill ends the node at once, as a power cut would. A node that does not run is no error.
	Kill(ctx context.Context, r Ref) error
	// Pause stops a running node where it stands: it keeps its connections and its ports, and answers nothing. It counts as
	// running. A node that does not run is an error.
	Pause(ctx context.Context, r Ref) error
	// Resume lets a paused node go on. A node that does not run is an error.
	Resume(ctx context.Context, r Ref) error
	// Exec runs a command inside a running node and returns its exit code. When ctx ends, the error wraps ctx's, and the
	// command may go on. A node that does not run is an error.
	Exec(ctx context.Context, r Ref, c Command) (int, error)
	// Run runs a command to its end in a place of its own on the lab's network, and returns its exit code. Nothing of it is
	// left then.
	Run(ctx context.Context, t Task) (int, error)
	// Logs returns what the node has written, standard output and standard error together, from the first line. With
	// follow it goes on until the node ends or the reader is closed.
	Logs(ctx context.Context, r Ref, follow bool) (io.ReadCloser, error)

	// CopyOut returns the files that lie in a folder of a node, or of another part of the lab that is no node, whether it
	// runs or not. Folders below it are left out, and so is what is no regular file. It returns ErrNotFound when the lab
	// has no such part, or that has no such folder.
	CopyOut(ctx context.Context, r Ref, folder string) ([]File, error)

	// Nodes returns the nodes of one lab, running or not, in the order of their names. An unknown lab has none.
	Nodes(ctx context.Context, lab string) ([]State, error)
	// Labs returns every lab that there is anything of, by name.
	Labs(ctx context.Context) (map[string]LabState, error)
	// Remove removes all that bears the lab's name, whichever run it is of. A lab that is gone is no error.
	Remove(ctx context.Context, lab string) error
}

// Site is where nodes of an engine live.
type Site struct {
	// Pools are where a free subnet for a lab is looked for, in this order.
	Pools []netip.Prefix
	// Folder is where the engine keeps a run's nodes: the files of a node are below Folder/RUN/NODE. Empty for an engine
	// that gives every node a file system of its own, and with it a network of its own.
	Folder string
}

// Contained is true where every node has its own file system, network and users, and shares none of this machine's.
func (s Site) Contained() bool { return s.Folder == "" }

// Of is the folder of all that the engine keeps of one run of a lab. Empty where nodes are contained.
func (s Site) Of(run string) string {
	if s.Contained() {
		return ""
	}
	return filepath.Join(s.Folder, run)
}

// Feature is something that not every engine can do.
type Feature string

// Containment is that what a node's tasks do stays within the node: they see neither this machine's files nor the
// network of its other programs.
const Containment Feature = "containment"

// SharedLoopback is that nodes are on this machine's loopback: a listener of ours at a node's own address, on another port,
// is reached by the other nodes, and by nobody beyond this machine.
const SharedLoopback Feature = "shared loopback"

// Footprint recognises what belongs together. A zero field means that the engine leaves no such traces.
type Footprint struct {
	// DockerHost is the address of the Docker daemon that has the lab's containers and networks.
	DockerHost string
	// Label is the key=value that all of them bear.
	Label string
	// Marker is the NAME=value in the environment of the lab's processes.
	Marker string
	// Folders are those that the engine keeps on this machine's disk for them.
	Folders []string
}

// RunVariable is in the environment of every process that belongs to a run of a lab, with the run's name as its value.
const RunVariable = "NOMADLAB_RUN"

// Ref names a node of a lab.
type Ref struct{ Lab, Node string }

func (r Ref) String() string { return r.Lab + "/" + r.Node }

// Network is the network of one lab.
type Network struct {
	Lab string
	// Run tells this run of the lab from others of its name.
	Run    string
	Subnet netip.Prefix
	// Labels are facts about the lab that survive this process, such as when it may be swept.
	Labels map[string]string
}

// Node is one agent as the engine is to create it.
type Node struct {
	Ref
	// Run is that of the lab's network.
	Run string
	// Image is what the node is started from: a container image, or the path of a nomad binary for an engine whose
	// DockerHost is empty.
	Image string
	// Command is the program and its arguments.
	Command []string
	// Environment holds NAME=value entries.
	Environment []string
	// User is "uid:gid". Empty means the image's own user, and where there are no images one without privileges.
	User string
	// Address is the node's fixed address on the lab's network.
	Address netip.Addr
	// Aliases are further names of the node on the lab's network.
	Aliases []string
	// Ports are the TCP ports to publish, each on a free port of 127.0.0.1. There must be one at least.
	Ports []uint16
	// Inside are those of the Ports that the node serves on its own loopback alone (127.0.0.1 inside the node), where no
	// published port leads. State.Endpoints has an address for them all the same, which this process alone offers, on
	// this machine's 127.0.0.1; what the node listens on stays as it is. Where nodes are not contained, their own loopback
	// is their Address, and this asks for nothing.
	Inside []uint16
	// Files are put into place before the start.
	Files []File
	// Labels are facts about the node that survive this process.
	Labels map[string]string
}

// File is a file or folder to put into a node.
type File struct {
	// Path is absolute, inside the node; with a Site that has a Folder, below the node's own folder there.
	Path string
	// Mode is its permission bits, and fs.ModeDir for a folder.
	Mode fs.FileMode
	// Owner is the numeric user and group that it belongs to. Not looked at where Node.User is empty: it is then that
	// user.
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

// Streams are the standard streams of a command. A nil Stdin is empty; nil writers discard. Stdout and Stderr may be one writer,
// which is then called once at a time.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Terminal gives the command a terminal of its own: both outputs then arrive on Stdout. Its size is asked of
	// Size, once and whenever Resized fires.
	Terminal bool
	// Size returns the width and height in characters. Nil leaves the default.
	Size func() (width, height uint)
	// Resized fires when Size has changed. Nil never does.
	Resized <-chan struct{}
}

// Task is what Run runs: a Node that does not stay.
type Task struct {
	Node
	// Folder is the working folder inside the task's own place.
	Folder string
	Streams
}
