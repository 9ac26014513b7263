package vault_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// node is one agent under a real consul-template.
type node struct {
	render.Node
	server  *server
	folder  string
	address string
	log     *lockedBuffer
	process *exec.Cmd
	// spoil changes consul-template's configuration. Nil: nothing.
	spoil func(string) string
}

// newNode writes the files of a node, which runs the given command.
func newNode(t *testing.T, s *server, id pki.Identity, published bool, command []string) *node {
	t.Helper()
	folder := t.TempDir()
	n := &node{server: s, folder: folder, log: &lockedBuffer{}, Node: render.Node{
		Identity: id, Published: published, Folder: filepath.Join(folder, "opt-nomad"), ConfigFolder: filepath.Join(folder, "consul-template.d"),
		Address: s.address, Command: command,
	}}
	if s.ca != nil {
		n.VaultCA = filepath.Join(folder, "vault-ca.pem")
		n.write(t, n.VaultCA, string(s.ca))
	}
	token, err := s.authority.Token(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, n.TokenFile(), render.Token(token.Reveal()))
	return n
}

func (n *node) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts consul-template, and ends it with all that it started when the test ends.
func (n *node) start(t *testing.T, environment ...string) {
	t.Helper()
	for _, template := range n.Templates() {
		n.write(t, template.Source, template.Text)
	}
	config := n.Config()
	if n.spoil != nil {
		if config = n.spoil(config); config == n.Config() {
			t.Fatal("nothing was spoilt")
		}
	}
	n.write(t, n.ConfigFile(), config)
	command := n.Supervisor(part(t, image.ConsulTemplate))
	n.process = exec.Command(command[0], command[1:]...)
	n.process.Env = append([]string{"HOME=" + n.folder, "PATH=" + os.Getenv("PATH")}, environment...)
	n.process.Stdout, n.process.Stderr = n.log, n.log
	n.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-n.process.Process.Pid, syscall.SIGKILL) // the whole group: the agent is in it
		_ = n.process.Wait()                                      // it was killed
		if t.Failed() {
			t.Logf("the node's log:\n%s", n.log)
		}
	})
}

// part returns the path of a part's binary, which must be here.
func part(t *testing.T, p image.Part) string {
	t.Helper()
	found, err := image.ResolveBinary(t.Context(), image.Request{Part: p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found.Path
}

// within returns a context that ends in time for a useful error.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := deadline.Fair(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// await waits for all files that the templates render.
func (n *node) await(t *testing.T) {
	t.Helper()
	err := poll.Until(within(t), "consul-template renders", func(context.Context) string {
		for _, template := range n.Templates() {
			if _, err := os.Stat(template.Destination); err != nil {
				return err.Error()
			}
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read returns a rendered file and its mode.
func (n *node) read(t *testing.T, path string) (string, fs.FileMode) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), info.Mode().Perm()
}

// newAgent returns a node that is a single Nomad server.
func newAgent(t *testing.T, s *server, published bool) *node {
	t.Helper()
	n := newNode(t, s, serverID, published, nil)
	var ports []string
	host := ""
	for range 3 {
		at, err := freeAddress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		host, ports = at.Addr().String(), append(ports, fmt.Sprint(at.Port()))
	}
	n.address = net.JoinHostPort(host, ports[0])
	config := filepath.Join(n.folder, "agent.hcl")
	n.write(t, config, fmt.Sprintf(`
data_dir  = %q
bind_addr = %q
advertise {
  http = %[2]q
  rpc  = %[2]q
  serf = %[2]q
}
ports {
  http = %s
  rpc  = %s
  serf = %s
}
server {
  enabled          = true
  bootstrap_expect = 1
}
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}
disable_update_check = true
tls {
  http      = true
  rpc       = true
  ca_file   = %q
  cert_file = %q
  key_file  = %q

  verify_server_hostname = true
  verify_https_client    = true
}
`, filepath.Join(n.folder, "data"), host, ports[0], ports[1], ports[2], n.CAFile(), n.CertFile(), n.KeyFile()))
	n.Command = []string{part(t, image.Nomad), "agent", "-config", config}
	return n
}

// agent returns the process identifier of the Nomad under the node's consul-template; zero if there is none.
func (n *node) agent() int {
	pattern := fmt.Sprintf("/proc/%d/task/*/children", n.process.Process.Pid)
	lists, _ := filepath.Glob(pattern) // the pattern is sound
	for _, list := range lists {
		text, err := os.ReadFile(list)
		pid := 0
		if err == nil {
			_, _ = fmt.Sscan(string(text), &pid) // empty: zero
		}
		// Between fork and exec, and while Go's runtime tries what the kernel can do, a child is consul-template itself.
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.HasPrefix(string(command), n.Command[0]+"\x00") {
			return pid
		}
	}
	return 0
}
