package lab

import (
	"io/fs"
	"net/netip"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
)

// cliTask is one call of the Nomad CLI: the cli credential in files of its own, the server's address in NOMAD_ADDR.
func (l *Lab) cliTask(server *Node, args []string, files []engine.File, folder string, s engine.Streams) engine.Task {
	id := l.cli.Identity
	file := func(name string, data []byte) engine.File {
		return engine.File{Path: tlsFolder + "/" + name, Mode: 0o600, Owner: agentUser, Data: data}
	}
	return engine.Task{
		Node: engine.Node{
			Ref:     engine.Ref{Lab: l.Name()},
			Image:   l.Image(),
			Command: append([]string{"nomad"}, args...),
			User:    user(agentUser),
			Environment: []string{
				"NOMAD_ADDR=" + l.scheme() + "://" + netip.AddrPortFrom(server.plan.Address, HTTPPort).String(),
				"NOMAD_REGION=" + server.plan.Region,
				"NOMAD_CACERT=" + tlsFolder + "/" + pki.CAFile,
				"NOMAD_CLIENT_CERT=" + tlsFolder + "/" + id.CertFile(),
				"NOMAD_CLIENT_KEY=" + tlsFolder + "/" + id.KeyFile(),
			},
			Files: append([]engine.File{
				{Path: tlsFolder, Mode: fs.ModeDir | 0o700, Owner: agentUser},
				file(pki.CAFile, l.cli.CAPEM),
				file(id.CertFile(), l.cli.CertPEM),
				file(id.KeyFile(), l.cli.KeyPEM),
			}, files...),
		},
		Folder:  folder,
		Streams: s,
	}
}
