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

// configure gives a node what a user's agents of its role read, fitted to the node.
func (p *Plan) configure(n *Node, c *spec.Configuration, logLevel string, g HostEnvironment) error {
	files, err := p.editAll(*n, c.Of(n.Role).Files)
	if err != nil {
		return err
	}
	tokens, err := p.needsTokens(*n, c)
	if err != nil {
		return err
	}
	if err := refuseHere(n.Role, files, tokens, g); err != nil {
		return err
	}
	if p.GossipKey == "" && n.Role == pki.Server {
		p.GossipKey = Sealed(files.Text("server.encrypt"))
	}
	// The one that its operators have made introductions for, whatever the lab sets otherwise.
	n.NodePool = c.Of(n.Role).Files.Text("client.node_pool")
	n.HandedIn = c.Of(n.Role).Credential != nil && !touches(p.Certificates, *n)
	n.ServerName, n.RSA = "", onlyRSA(files.Text("tls.tls_cipher_suites"))
	if n.HandedIn {
		n.ServerName = c.Of(n.Role).Credential.NameFor(n.Identity.Name())
	}
	place, err := p.place(*n, c, logLevel, g)
	if err != nil {
		return err
	}
	fitted, err := fit.Fit(files, place)
	if err != nil {
		return &spec.InvalidError{Problems: []spec.Problem{{Field: "configuration", Found: "one that cannot be run as " + n.Name, Mend: err.Error()}}}
	}
	p.take(n, fitted, g)
	return nil
}

// take gives a node what was fitted to it.
func (p *Plan) take(n *Node, fitted fit.Fitted, g HostEnvironment) {
	at := g.paths(n.Name)
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
	n.Files = append(n.Files, credentialFiles(fitted, at, g)...)
	n.Files = append(n.Files, p.introduction(*n, at)...)
}

// onlyRSA reports whether all cipher suites of that list, as tls.tls_cipher_suites has it, are for RSA keys: an agent with another
// key does not start then (helper/tlsutil/config.go:414).
func onlyRSA(suites string) bool {
	return strings.TrimSpace(suites) != "" && !strings.Contains(suites, "_ECDSA_")
}

// needsTokens says whether the servers of that configuration take a job from nobody without an ACL token.
func (p *Plan) needsTokens(n Node, c *spec.Configuration) (bool, error) {
	n.Role, n.Name = pki.Server, ""
	files, err := p.editAll(n, c.Of(pki.Server).Files)
	if err != nil {
		return false, err
	}
	return files.Flag("acl.enabled")
}

// addFile puts a file of the configuration into a folder of its own, so that two may have the same name, and has the agent
// read it. The order of the arguments is that in which Nomad merges (command/agent/command.go, readConfig).
func (p *Plan) addFile(n *Node, at paths, place int, f agentconf.File) {
	folder := fmt.Sprintf("%s/%d", at.config, place+1)
	file := File{Path: folder + "/" + path.Base(f.Name()), Mode: 0o600, Origin: f.Name(), Content: string(agentconf.Redact(f.Text()))}
	if f.Name() != fit.OwnFile {
		file.Secret, file.Whole = UserText, Sealed(f.Text())
	}
	n.Files = append(n.Files, File{Path: folder, Mode: fs.ModeDir | 0o700}, file)
	n.Command = append(n.Command, "-config", file.Path)
}

// credentialFiles stand where the configuration names them.
func credentialFiles(f fit.Fitted, at paths, g HostEnvironment) []File {
	var files []File
	if !g.contained() {
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

// absolute is the path as an agent finds it that is started in the root folder, as a container starts it.
func absolute(name string) string { return path.Join("/", name) }

// place is where the node's configuration is to run.
func (p *Plan) place(n Node, c *spec.Configuration, logLevel string, g HostEnvironment) (fit.Place, error) {
	servers, err := fit.PortsOf(c.Server.Files)
	if err != nil {
		return fit.Place{}, err
	}
	at := g.paths(n.Name)
	place := fit.Place{
		Server: n.Role == pki.Server, Name: n.Name, Address: n.Address, Contained: g.contained(), Data: at.data,
		LogLevel: strings.ToUpper(logLevel), Expect: len(p.addresses(n.Region, servers.RPC)),
	}
	if place.Server {
		place.Join = p.addresses("", servers.Serf)
	} else {
		place.Join = p.addresses(n.Region, servers.RPC)
	}
	if !g.contained() {
		place.TLS = func(setting string) string {
			return at.tls + "/" + strings.TrimSuffix(strings.TrimPrefix(setting, "tls."), "_file") + ".pem"
		}
	}
	return place, nil
}

// portsOf are those that others than the lab's nodes have business with.
func portsOf(role pki.Role, p fit.Ports) []uint16 {
	if role == pki.Server {
		return []uint16{p.HTTP, p.RPC, p.Serf}
	}
	return []uint16{p.HTTP}
}

// editAll changes the lines of a user's configuration that are not to be as it has them.
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
			return nil, &spec.InvalidError{Problems: []spec.Problem{{
				Field: "overrides", Found: fmt.Sprintf("%q, for %s", s, n.Name), Mend: err.Error(),
			}}}
		}
	}
	return files, nil
}

// refuseHere refuses what must not run on this machine's loopback, where any local program, or a web page's POST, may reach
// it: raw_exec, whose tasks run any command as the agent's user; and, where no token is needed to submit a job, templates
// and downloads that leave the task's own folder. It is not switched off instead, as then a check would find it off. Only
// clients run tasks: what stands in a server's files does nothing.
func refuseHere(role pki.Role, files agentconf.Files, tokens bool, g HostEnvironment) error {
	if g.contained() || role != pki.Client {
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

// denies reports whether the list of functions that no template may call has those that run programs and write files as the
// agent's user, as Nomad's default has (client/config/config.go:77).
func denies(files agentconf.Files, setting string) bool {
	if len(files.Lookup(setting)) == 0 {
		return true
	}
	functions, err := files.Texts(setting)
	return err == nil && slices.Contains(functions, "plugin") && slices.Contains(functions, "writeToFile")
}

// off says whether the setting, as Nomad merges it, is surely off: what a driver is configured with it reads by HCL 2, to
// which a text may be a template that gives true (helper/pluginutils/hclutils/util.go, ParseHclInterface).
func off(files agentconf.Files, setting string) bool {
	line, stands := files.Counts(setting)
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

// notHere says which line must not run on this machine's loopback.
func notHere(files agentconf.Files, setting string) error {
	line, _ := files.Counts(setting)
	return &spec.InvalidError{Problems: []spec.Problem{{
		Field: fmt.Sprintf("%s:%d: %s", line.File, line.Number, setting), Found: line.Value,
		Mend: "check it in containers (--engine docker): without them, whoever reaches its agents on this machine's loopback could run commands or read files as you",
	}}}
}
