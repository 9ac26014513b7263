package docker

import (
	_ "embed"
	"io/fs"

	"nomadlab.internal/lab/engine"
)

// The folder ownFolder of a node's container is the engine's. The node's user can write to the state alone.
const (
	ownFolder = "/nomadlab"
	// binFolder is the first folder on the program's PATH. It is empty until RestartProgram replaces the node's binary.
	binFolder = ownFolder + "/bin"
	// supervisorFile is what process 1 runs.
	supervisorFile = ownFolder + "/supervisor"
	// stateName is the file in ownFolder in which the supervisor counts the starts of the program.
	stateName = "program"
	shell     = "/bin/sh"
)

// supervisor is the script that process 1 runs. It needs no tool but a POSIX shell, which both the official image of Nomad and
// those that package image builds have.
//
//go:embed supervisor.sh
var supervisor []byte

// entrypoint returns the entry point of a node's container: the supervisor, which runs the node's command.
func entrypoint(n engine.Node) []string {
	return []string{shell, supervisorFile, programName(n.Program)}
}

// binaryIn returns the name of the node's binary from the entry point of its container, and false if process 1 is not the
// supervisor, as in a lab of Docker Compose.
func binaryIn(entrypoint []string) (string, bool) {
	if len(entrypoint) != 3 || entrypoint[1] != supervisorFile {
		return "", false
	}
	return entrypoint[2], true
}

// programName returns the name of a node's binary, which is nomad unless the node says otherwise.
func programName(program string) string {
	if program == "" {
		return "nomad"
	}
	return program
}

// withSupervisor returns the files of a node with those of its supervisor. The supervisor runs as the node's user, which the
// image may choose: so everybody in the container may write to the state.
func withSupervisor(files []engine.File) []engine.File {
	own := []engine.File{
		{Path: ownFolder, Mode: fs.ModeDir | 0o755},
		{Path: binFolder, Mode: fs.ModeDir | 0o755},
		{Path: supervisorFile, Mode: 0o755, Data: supervisor},
		{Path: ownFolder + "/" + stateName, Mode: 0o666},
	}
	return append(own, files...)
}
