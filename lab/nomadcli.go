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
	// Files are copied to where the CLI runs. There must be none if the lab is not contained: the CLI then runs on this machine.
	Files []engine.File
	// Folder is the working folder of the CLI.
	Folder string
	engine.Streams
}

// RunCLI runs the real Nomad CLI on the lab's network, in a container of its own if the lab is contained. The CLI has the cli
// credential and the address of a running server. RunCLI returns its exit code. Nothing of it is left behind, also if this
// process is killed.
func (l *Lab) RunCLI(ctx context.Context, c Call) (int, error) {
	if err := l.checkExpiry(); err != nil {
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

// anyRunning returns a running server. Its error says how to start one.
func (l *Lab) anyRunning(ctx context.Context) (*Node, error) {
	for _, n := range l.Servers() {
		if s, err := n.State(ctx); err == nil && s.Running {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no server of lab %s runs: try `nomadlab start %s`", l.Name(), l.Name())
}

// cliTask returns the task of one call of the Nomad CLI: the cli credential in files, the server's address in NOMAD_ADDR, the
// management token in NOMAD_TOKEN, which the CLI reads from no file. On this machine the files are those of the lab's folder.
// A container gets copies, and the token in a file too: the daemon shows a container's environment to all its users
// (`docker inspect`).
func (l *Lab) cliTask(server *Node, c Call) engine.Task {
	folder, files, id := l.folder.TLS(), c.Files, l.Credential().Identity
	if l.Contained() {
		folder = plan.HostEnvironment{}.TLSFolder("")
		files = append(cliFiles(l.Credential(), folder), files...)
	}
	environment := []string{
		"NOMAD_ADDR=" + server.plan().HTTPScheme() + "://" + server.plan().Peer(server.plan().HTTPPort()),
		"NOMAD_REGION=" + server.plan().Region,
		"NOMAD_CACERT=" + path.Join(folder, pki.CAFile),
		"NOMAD_CLIENT_CERT=" + path.Join(folder, id.CertFile()),
		"NOMAD_CLIENT_KEY=" + path.Join(folder, id.KeyFile()),
	}
	if l.Contained() { // a proxy that the image names does not reach the lab's network, and must not see the token
		environment = append(environment, "NO_PROXY="+server.plan().Peer(server.plan().HTTPPort()))
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
			User:        user(server.plan().User),
			Environment: environment,
			Files:       files,
			Folder:      c.Folder,
		},
		Streams: c.Streams,
	}
}

// cliFiles returns the files of the cli credential, in a folder of their own.
func cliFiles(cli pki.Credential, folder string) []engine.File {
	id := cli.Identity
	file := func(name string, data []byte) engine.File {
		return engine.File{Path: path.Join(folder, name), Mode: 0o600, Owner: plan.AgentUser, Data: data}
	}
	return []engine.File{
		{Path: folder, Mode: fs.ModeDir | 0o700, Owner: plan.AgentUser},
		file(pki.CAFile, cli.CAPEM),
		file(id.CertFile(), cli.CertPEM),
		file(id.KeyFile(), cli.KeyPEM),
	}
}
