package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/settings"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// configure gives a node the user configuration of its role, fitted to the node.
func (p *Plan) configure(n *Node, c *spec.Configuration, logLevel string, host HostEnvironment) error {
	files, err := p.editAll(*n, c.Of(n.Role).Files)
	if err != nil {
		return err
	}
	tokens, err := p.needsTokens(*n, c)
	if err != nil {
		return err
	}
	if err := refuseHere(n.Role, files, tokens, host); err != nil {
		return err
	}
	if p.GossipKey == "" && n.Role == pki.Server {
		p.GossipKey = Sealed(files.Text("server.encrypt"))
	}
	// Without the overrides: it is the pool for which the user's operators make introductions.
	n.NodePool = c.Of(n.Role).Files.Text("client.node_pool")
	n.UserCertificate = c.Of(n.Role).Credential != nil && !touches(p.Certificates, *n)
	n.ServerName, n.RSA = "", onlyRSA(files.Text("tls.tls_cipher_suites"))
	if n.UserCertificate {
		n.ServerName = c.Of(n.Role).Credential.NameFor(n.Identity.Name())
	}
	place, err := p.place(*n, c, logLevel, host)
	if err != nil {
		return err
	}
	fitted, err := fit.Fit(files, place)
	if err != nil {
		return invalid("configuration", "one that cannot be run as "+n.Name, err.Error())
	}
	p.take(n, fitted, host)
	return nil
}

// take fills in what follows from the fitted configuration.
func (p *Plan) take(n *Node, fitted fit.Fitted, host HostEnvironment) {
	at := host.paths(n.Name)
	n.Ports, n.Inside = portsOf(n.Role, fitted.Ports), nil
	for _, port := range n.Ports {
		if fitted.Inside[port] {
			n.Inside = append(n.Inside, port)
		}
	}
	n.HTTPInClear, n.Replaced = fitted.HTTPInClear, fitted.Replaced
	n.Command = []string{"nomad", "agent"}
	n.Files = []File{{Path: at.data, Mode: fs.ModeDir | 0o700}, {Path: at.config, Mode: fs.ModeDir | 0o700}}
	for i, f := range fitted.Files {
		p.addFile(n, at, i, f)
	}
	n.Files = append(n.Files, credentialFiles(fitted, at, host)...)
	n.Files = append(n.Files, p.introduction(*n, at)...)
}

// onlyRSA reports whether all cipher suites of the list, as in tls.tls_cipher_suites, are for RSA keys. An agent with
// another key does not start then (helper/tlsutil/config.go:414).
func onlyRSA(suites string) bool {
	return strings.TrimSpace(suites) != "" && !strings.Contains(suites, "_ECDSA_")
}

// needsTokens reports whether the servers of the configuration demand an ACL token for the submission of a job.
func (p *Plan) needsTokens(n Node, c *spec.Configuration) (bool, error) {
	n.Role, n.Name = pki.Server, ""
	files, err := p.editAll(n, c.Of(pki.Server).Files)
	if err != nil {
		return false, err
	}
	return files.Flag("acl.enabled")
}

// addFile puts a file of the configuration into a folder of its own, so that two files may have the same name, and adds
// it to the command. The order of the arguments is the order in which Nomad merges (command/agent/command.go,
// readConfig).
func (p *Plan) addFile(n *Node, at paths, place int, f agentconf.File) {
	folder := fmt.Sprintf("%s/%d", at.config, place+1)
	file := File{Path: folder + "/" + path.Base(f.Name()), Mode: 0o600, Origin: f.Name(), Content: string(agentconf.Redact(f.Text()))}
	if f.Name() != fit.OwnFile {
		file.Secret, file.Whole = UserText, Sealed(f.Text())
	}
	n.Files = append(n.Files, File{Path: folder, Mode: fs.ModeDir | 0o700}, file)
	n.Command = append(n.Command, "-config", file.Path)
}

// credentialFiles returns the files of certificates and keys, at the paths in the configuration.
func credentialFiles(f fit.Fitted, at paths, host HostEnvironment) []File {
	var files []File
	if !host.contained() {
		files = append(files, File{Path: at.tls, Mode: fs.ModeDir | 0o700})
	}
	for _, c := range []struct {
		path   string
		secret Secret
	}{{f.CertFile, Certificate}, {f.KeyFile, PrivateKey}, {f.CAFile, CACertificate}} {
		at := slices.IndexFunc(files, func(file File) bool { return file.Path == absolute(c.path) })
		switch {
		case c.path == "":
		case at >= 0: // an agent may have its certificate and its key in one file
			files[at].Also = append(files[at].Also, c.secret)
		default:
			files = append(files, File{Path: absolute(c.path), Mode: 0o600, Secret: c.secret})
		}
	}
	return files
}

// absolute returns the path as an agent finds it that is started in the root folder, as in a container.
func absolute(name string) string { return path.Join("/", name) }

// place returns where the node's configuration is to run.
func (p *Plan) place(n Node, c *spec.Configuration, logLevel string, host HostEnvironment) (fit.Place, error) {
	servers, err := fit.PortsOf(c.Server.Files)
	if err != nil {
		return fit.Place{}, err
	}
	rpc, serf := func(Node) uint16 { return servers.RPC }, func(Node) uint16 { return servers.Serf }
	at := host.paths(n.Name)
	place := fit.Place{
		Server: n.Role == pki.Server, Name: n.Name, Address: n.Address, Contained: host.contained(), Data: at.data,
		LogLevel: strings.ToUpper(logLevel), Expect: len(p.addresses(n.Region, rpc)),
	}
	if place.Server {
		place.Join = p.addresses("", serf)
	} else {
		place.Join = p.addresses(n.Region, rpc)
	}
	if c.LeaveOutUnknown {
		place.Version = p.version(n, host)
	}
	if !host.contained() {
		place.TLS = func(setting string) string {
			return at.tls + "/" + strings.TrimSuffix(strings.TrimPrefix(setting, "tls."), "_file") + ".pem"
		}
	}
	return place, nil
}

// portsOf returns the ports that are reached from this machine.
func portsOf(role pki.Role, p fit.Ports) []uint16 {
	if role == pki.Server {
		return []uint16{p.HTTP, p.RPC, p.Serf}
	}
	return []uint16{p.HTTP}
}

// editAll applies the overrides to the user configuration of a node.
func (p *Plan) editAll(n Node, files agentconf.Files) (agentconf.Files, error) {
	for _, s := range p.Overrides {
		if !s.ConcernsNode(n.Role, n.Name) {
			continue
		}
		var err error
		if s.Value == "" {
			files, err = files.Remove(s.Path)
		} else {
			files, err = files.Set(s.Path, s.Value)
		}
		if err != nil {
			return nil, overrideError(s, n, err)
		}
	}
	return files, nil
}

// refuseHere refuses a client's configuration that must not run on this machine's loopback, where any local program, or a
// POST from a web page, may reach it: one with raw_exec, whose tasks run any command as the agent's user, and, if no
// token is needed to submit a job, one whose templates and downloads leave the task's folder. These settings are not
// switched off instead, because a check would then find them off. In a server's files they have no effect.
func refuseHere(role pki.Role, files agentconf.Files, tokens bool, host HostEnvironment) error {
	if host.contained() || role != pki.Client {
		return nil
	}
	for _, s := range settings.All() {
		refused := false
		switch s.Danger {
		case settings.RunsPrograms:
			refused = !off(files, s.Path())
		case settings.LeavesTask:
			refused = !tokens && !off(files, s.Path())
		case settings.KeepsInTask:
			refused = !tokens && !denies(files, s.Path())
		}
		if refused {
			return notHere(files, s.Path())
		}
	}
	return nil
}

// denies reports whether the list of denied template functions has those that run programs and write files as the agent's
// user, as Nomad's default has (client/config/config.go:77).
func denies(files agentconf.Files, setting string) bool {
	if len(files.Lookup(setting)) == 0 {
		return true
	}
	functions, err := files.Texts(setting)
	return err == nil && slices.Contains(functions, "plugin") && slices.Contains(functions, "writeToFile")
}

// off reports whether the setting, as Nomad merges it, is certainly off. HCL 2 reads the configuration of a driver, so
// that a text may be a template that gives true (helper/pluginutils/hclutils/util.go, ParseHclInterface).
func off(files agentconf.Files, setting string) bool {
	line, stands := files.EffectiveLine(setting)
	switch text := strings.ToLower(files.Text(setting)); text {
	case "":
		return !stands || slices.Contains([]string{`""`, "[]"}, line.Value)
	case "false", "0":
		return true
	case "f": // as Go reads it (drivers/rawexec/driver.go:67)
		return setting == `client.options."driver.raw_exec.enable"`
	default:
		return false
	}
}

// notHere returns the error of refuseHere for a setting.
func notHere(files agentconf.Files, setting string) error {
	line, _ := files.EffectiveLine(setting)
	return invalid(fmt.Sprintf("%s:%d: %s", line.File, line.Number, setting), line.Value, "check it in containers (--engine docker): "+
		"without them, any caller of its agents on this machine's loopback could run commands or read files as you")
}
