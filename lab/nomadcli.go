package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// Call is one call of the Nomad CLI.
type Call struct {
	// Args are the CLI's arguments.
	Args []string
	// Files are put into the place where the CLI runs. Where the lab is not contained, that place is this machine, which
	// has its own: there must be none.
	Files []engine.File
	// Folder is the working folder there.
	Folder string
	engine.Streams
}

// Contained is true where the lab's nodes, and the CLI that RunCLI runs beside them, see nothing of this machine's files.
func (l *Lab) Contained() bool { return l.engine.Site().Contained() }

// RunCLI runs the real Nomad CLI in a place of its own on the lab's network, with the cli credential, against a server
// that runs. It returns the CLI's exit code. Nothing of it stays, also when this process is killed.
func (l *Lab) RunCLI(ctx context.Context, c Call) (int, error) {
	if err := l.outlived(); err != nil {
		return 0, err
	}
	server, err := l.anyRunning(ctx)
	if err != nil {
		return 0, err
	}
	run := newRun()
	f := l.engine.Footprint(state.LabelRun, run)
	guard, err := watchdog.Start(ctx, watchdog.Target{DockerHost: f.DockerHost, Label: f.Label, Marker: f.Marker, Folders: f.Folders})
	if err != nil {
		return 0, fmt.Errorf("start the watchdog of the CLI: %w", err)
	}
	task := l.cliTask(server, c)
	task.Run, task.Labels = run, map[string]string{state.LabelRun: run}
	code, err := l.engine.Run(ctx, task)
	return code, errors.Join(err, guard.Release())
}

// anyRunning returns a server that runs, or says how to get one.
func (l *Lab) anyRunning(ctx context.Context) (*Node, error) {
	for _, n := range l.Servers() {
		if s, err := n.State(ctx); err == nil && s.Running {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no server of lab %s runs: try `nomadlab start %s`", l.Name(), l.Name())
}

// cliTask is one call of the Nomad CLI: the cli credential in files, the server's address in NOMAD_ADDR, the management
// token in NOMAD_TOKEN, as the CLI reads it from no file. On this machine the files are those of the lab's folder; a container gets
// its own, and the token in one too: the daemon shows a container's environment to whoever asks (`docker inspect`).
func (l *Lab) cliTask(server *Node, c Call) engine.Task {
	folder, files, id := l.folder.TLS(), c.Files, l.cli.Identity
	if l.Contained() {
		folder = plan.HostEnvironment{}.TLSFolder("")
		files = append(l.cliFiles(folder), files...)
	}
	environment := []string{
		"NOMAD_ADDR=" + server.plan.HTTPScheme() + "://" + server.plan.Peer(server.plan.HTTPPort()),
		"NOMAD_REGION=" + server.plan.Region,
		"NOMAD_CACERT=" + path.Join(folder, pki.CAFile),
		"NOMAD_CLIENT_CERT=" + path.Join(folder, id.CertFile()),
		"NOMAD_CLIENT_KEY=" + path.Join(folder, id.KeyFile()),
	}
	if l.Contained() { // a proxy that the image names does not reach the lab's network, and is not to see its token
		environment = append(environment, "NO_PROXY="+server.plan.Peer(server.plan.HTTPPort()))
	}
	command := append([]string{"nomad"}, c.Args...)
	switch token := l.ManagementToken(); {
	case token == "":
	case l.Contained():
		at := path.Join(folder, "nomad.token")
		files = append(files, engine.File{Path: at, Mode: 0o600, Owner: plan.AgentUser, Data: []byte(token)})
		command = append([]string{"sh", "-c", `NOMAD_TOKEN=$(cat "$0") && export NOMAD_TOKEN && exec nomad "$@"`, at}, c.Args...)
	default:
		environment = append(environment, "NOMAD_TOKEN="+token)
	}
	return engine.Task{
		Node: engine.Node{
			Ref:         engine.Ref{Lab: l.Name()},
			Image:       l.Image(),
			Command:     command,
			User:        user(server.plan.User),
			Environment: environment,
			Files:       files,
		},
		Folder:  c.Folder,
		Streams: c.Streams,
	}
}

// cliFiles are the cli credential's, in a folder of their own.
func (l *Lab) cliFiles(folder string) []engine.File {
	id := l.cli.Identity
	file := func(name string, data []byte) engine.File {
		return engine.File{Path: path.Join(folder, name), Mode: 0o600, Owner: plan.AgentUser, Data: data}
	}
	return []engine.File{
		{Path: folder, Mode: fs.ModeDir | 0o700, Owner: plan.AgentUser},
		file(pki.CAFile, l.cli.CAPEM),
		file(id.CertFile(), l.cli.CertPEM),
		file(id.KeyFile(), l.cli.KeyPEM),
	}
}
