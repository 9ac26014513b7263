package vault_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// waits is a command in an agent's place, for tests of the files alone.
func waits() []string { return []string{"sleep", "86400"} }

// audited returns how often certificates were asked for while do ran, as Vault's own audit log says.
func audited(t *testing.T, s *server, do func()) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	client, root, device := s.authority.Client(), s.authority.Keys().Root, fmt.Sprintf("sys/audit/test-%d", os.Getpid())
	if _, err := client.Call(t.Context(), root, http.MethodPut, device, map[string]any{"type": "file", "options": map[string]string{"file_path": path}}); err != nil {
		t.Fatal(err)
	}
	do()
	if _, err := client.Call(t.Context(), root, http.MethodDelete, device, nil); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was read
	count := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct {
			Type    string
			Request struct{ Path string }
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Type == "response" && strings.HasPrefix(entry.Request.Path, "pki_int/issue/") {
			count++
		}
	}
	return count
}

// leadsToRoot returns an error if who trusts the root alone refuses the certificates of a file.
func leadsToRoot(t *testing.T, s *server, certPEM string) error {
	t.Helper()
	certs, err := pki.DecodeCertificates([]byte(certPEM))
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(s.authority.RootPEM())
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err = certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: serverID.Name()})
	return err
}

// TestThePublishedTemplatesHaveTraps: a key that all may read, a certificate too many, an authority that is not the root, and no
// chain.
func TestThePublishedTemplatesHaveTraps(t *testing.T) {
	s := published(t)
	n := newNode(t, s, serverID, true, waits())
	issued := audited(t, s, func() {
		n.start(t)
		n.await(t)
	})
	if issued != 3 {
		t.Errorf("%d certificates, want 3: of agent.crt and agent.key, of ca.crt, of cli.crt and cli.key", issued)
	}
	for path, want := range map[string]fs.FileMode{
		n.CertFile(): 0o700, n.KeyFile(): 0o700, n.CAFile(): 0o644,
		filepath.Join(n.UserCertFolder(), "cli.crt"): 0o644, filepath.Join(n.UserCertFolder(), "cli.key"): 0o644,
	} {
		if _, mode := n.read(t, path); mode != want {
			t.Errorf("%s has mode %o, want %o", path, mode, want)
		}
	}
	cert, _ := n.read(t, n.CertFile())
	key, _ := n.read(t, n.KeyFile())
	ca, _ := n.read(t, n.CAFile())
	if _, err := tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		t.Errorf("certificate and key: %v", err)
	}
	if got := one(t, []byte(ca)); !got.Equal(one(t, s.authority.IntermediatePEM())) {
		t.Errorf("ca.crt holds %s, want the intermediate alone", got.Subject)
	}
	if leaf := one(t, []byte(cert)); len(leaf.DNSNames) != 2 || len(leaf.IPAddresses) != 1 {
		t.Errorf("names %q %v, want those of the guide", leaf.DNSNames, leaf.IPAddresses)
	}
	if err := leadsToRoot(t, s, cert); err == nil {
		t.Error("who trusts the root alone accepts agent.crt, which should lack the chain")
	}
	if err := leadsToRoot(t, s, cert+string(s.authority.IntermediatePEM())); err != nil {
		t.Errorf("control, with the chain: %v", err)
	}
	cli, _ := n.read(t, filepath.Join(n.UserCertFolder(), "cli.crt"))
	if leaf := one(t, []byte(cli)); len(leaf.DNSNames) != 0 || leaf.Subject.CommonName != "" {
		t.Errorf("cli.crt has the names %q %q, want none", leaf.Subject.CommonName, leaf.DNSNames)
	}
}

func TestTheSafeTemplatesHaveNone(t *testing.T) {
	s := safe(t)
	n := newNode(t, s, serverID, false, waits())
	issued := audited(t, s, func() {
		n.start(t)
		n.await(t)
	})
	if issued != 1 {
		t.Errorf("%d certificates, want 1", issued)
	}
	bundle, mode := n.read(t, n.CertFile())
	if mode != 0o600 {
		t.Errorf("the file with the key has mode %o", mode)
	}
	if n.KeyFile() != n.CertFile() {
		t.Errorf("the key is in %s", n.KeyFile())
	}
	if _, err := tls.X509KeyPair([]byte(bundle), []byte(bundle)); err != nil {
		t.Errorf("certificate and key: %v", err)
	}
	certs, err := pki.DecodeCertificates([]byte(bundle))
	if err != nil || len(certs) != 2 || !certs[1].Equal(one(t, s.authority.IntermediatePEM())) {
		t.Errorf("%d certificates, %v; want the leaf and the intermediate", len(certs), err)
	}
	if before, _, _ := strings.Cut(bundle, "PRIVATE KEY"); strings.Count(before, "BEGIN CERTIFICATE") != 2 {
		t.Error("the key does not come last: Nomad does not start with that (nomad#27660)")
	}
	ca, _ := n.read(t, n.CAFile())
	if !one(t, []byte(ca)).Equal(one(t, s.authority.RootPEM())) {
		t.Error("ca.crt is not the root")
	}
	if err := leadsToRoot(t, s, bundle); err != nil {
		t.Errorf("who trusts the root alone: %v", err)
	}
	if strings.Contains(n.log.String(), "[WARN]") {
		t.Errorf("consul-template warns:\n%s", n.log)
	}
}

// TestARestartedNodeKeepsItsCertificate in the safe form: pkiCert reads its own file. The published form asks for another.
func TestARestartedNodeKeepsItsCertificate(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		n := newNode(t, s, serverID, s == running.published, waits())
		run := func() string {
			n.start(t)
			n.awaitChild(t)
			text, _ := n.read(t, n.CertFile())
			n.stop(t)
			return text
		}
		first, second := run(), run()
		if kept := first == second; kept != (s == running.safe) {
			t.Errorf("the certificate was kept: %t", kept)
		}
		if err := os.Remove(n.CertFile()); err != nil {
			t.Fatal(err)
		}
		if third := run(); third == second {
			t.Error("a removed certificate came back")
		}
	})
}

// TestTheTokenReachesNoAgent: neither the token of the node nor one in consul-template's environment reaches the agent, and the
// node's token is in no log, environment or command line.
func TestTheTokenReachesNoAgent(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		const inherited = "VAULT_TOKEN=of-the-caller"
		n := newNode(t, s, serverID, s == running.published, waits())
		text, _ := n.read(t, n.TokenFile())
		_, token, _ := strings.Cut(text, `"`)
		token, _, _ = strings.Cut(token, `"`)
		if !strings.HasPrefix(token, "hvs.") {
			t.Fatal("the token file holds no token")
		}
		n.start(t, inherited, "KEPT=1")
		agent := n.awaitChild(t)
		environment := n.proc(t, agent, "environ")
		if strings.Contains(environment, "VAULT_TOKEN") {
			t.Errorf("the agent's environment has a token: %q", environment)
		}
		if !strings.Contains(environment, "KEPT=1") || !strings.Contains(environment, "VAULT_ADDR=") {
			t.Errorf("the agent's environment is not what it should be: %q", environment)
		}
		own := n.process.Process.Pid
		shown := environment + n.proc(t, agent, "cmdline") + n.proc(t, own, "environ") + n.proc(t, own, "cmdline") + n.log.String() + n.Config()
		for _, template := range n.Templates() {
			shown += template.Text
		}
		if strings.Contains(shown, token) {
			t.Error("the node's token is shown")
		}
		if _, mode := n.read(t, n.TokenFile()); mode != 0o600 {
			t.Errorf("the token file has mode %o", mode)
		}
		n.stop(t)
		// The control: without the denylist, the agent inherits the token.
		n.spoil = func(config string) string { return strings.Replace(config, `denylist = ["VAULT_TOKEN"]`, "", 1) }
		n.start(t, inherited)
		if environment := n.proc(t, n.awaitChild(t), "environ"); !strings.Contains(environment, inherited) {
			t.Errorf("control: %q", environment)
		}
	})
}

// TestTheTokenIsRenewed by consul-template itself.
func TestTheTokenIsRenewed(t *testing.T) {
	s := safe(t)
	n := newNode(t, s, clientID, false, waits())
	made, err := s.authority.Client().Call(t.Context(), s.authority.Keys().Root, http.MethodPost, "auth/token/create",
		map[string]any{"policies": []string{"global-client-nomad-tls"}, "period": "3s", "no_default_policy": true, "no_parent": true})
	if err != nil {
		t.Fatal(err)
	}
	token := made.Auth.Token()
	n.write(t, n.TokenFile(), fmt.Sprintf("vault { token = %q }\n", token.Reveal()))
	n.start(t)
	n.awaitChild(t)
	err = poll.Until(within(t), "the token has lived twice its period", func(ctx context.Context) string {
		answer, err := s.authority.Client().Call(ctx, token, http.MethodGet, "auth/token/lookup-self", nil)
		if err != nil {
			return err.Error()
		}
		if renewed := answer.Number("last_renewal_time") - answer.Number("creation_time"); renewed < 4 {
			return fmt.Sprintf("renewed %d s after it was made", renewed)
		}
		return ""
	})
	if err != nil {
		t.Error(err)
	}
	n.stop(t)
	err = poll.Until(within(t), "the token expires without consul-template", func(ctx context.Context) string {
		_, err := s.authority.Client().Call(ctx, token, http.MethodGet, "auth/token/lookup-self", nil)
		if err == nil {
			return "it lives"
		}
		return ""
	})
	if err != nil {
		t.Errorf("control: %v", err)
	}
}

// proc returns a file of a process.
func (n *node) proc(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// awaitChild waits until consul-template has rendered and started the agent, and returns its process identifier.
func (n *node) awaitChild(t *testing.T) int {
	t.Helper()
	err := poll.Until(within(t), "consul-template starts the agent", func(context.Context) string {
		if n.agent() == 0 {
			return "no agent; " + n.log.String()
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	return n.agent()
}

// stop ends consul-template with SIGTERM, and expects the agent to be gone.
func (n *node) stop(t *testing.T) {
	t.Helper()
	agent := n.agent()
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.wait(t)
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", agent)); agent == 0 || err == nil {
		t.Errorf("the agent %d is still there", agent)
	}
}

// wait waits until consul-template has ended, with whatever exit code: that is its own.
func (n *node) wait(t *testing.T) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- n.process.Wait() }()
	select {
	case <-ended:
	case <-within(t).Done():
		t.Fatal("consul-template does not end")
	}
}
