package folder_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/folder"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// nomad returns the real program.
func nomad(t *testing.T) string {
	t.Helper()
	found, err := image.ResolveBinary(t.Context(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found.Path
}

// nomadTLS runs commands of `nomad tls` in a folder of their own.
func nomadTLS(t *testing.T, commands ...string) (root string) {
	t.Helper()
	program, root := nomad(t), t.TempDir()
	for _, arguments := range commands {
		command := exec.CommandContext(t.Context(), program, append([]string{"tls"}, strings.Fields(arguments)...)...)
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("nomad tls %s: %v\n%s", arguments, err, out)
		}
	}
	return root
}

// TestFilesOfNomadTLS: what the real `nomad tls` writes is read, and its authority signs. With the domain of its own that makes
// Nomad refuse its own certificates, the folder is refused, and each file is named.
func TestFilesOfNomadTLS(t *testing.T) {
	t.Parallel()
	root := nomadTLS(t, "ca create", "cert create -server", "cert create -client", "cert create -cli")
	s, got := mustRead(t, root, requests()...)
	connectAll(t, got)
	if notes := s.Warnings(); s.Signer() == nil || len(notes) != 1 || !strings.HasPrefix(notes[0], root+"/nomad-agent-ca-key.pem has the private key of the authority") {
		t.Errorf("signer %v, warnings %q", s.Signer(), notes)
	}
	const domain = "-domain lab.test"
	root = nomadTLS(t, "ca create -name-constraint=true "+domain, "cert create -server "+domain, "cert create -client "+domain, "cert create -cli "+domain)
	_, _, err := read(t, root, requests()...)
	refused(t, err, root+"/global-server-lab.test.pem is for server.global.lab.test, localhost", "have one issued with server.global.nomad among its DNS names",
		root+"/global-client-lab.test.pem is for client.global.lab.test")
	const by = "-ca lab.test-agent-ca.pem -key lab.test-agent-ca-key.pem"
	_, got = mustRead(t, nomadTLS(t, "ca create -name-constraint=true "+domain, "cert create -server -additional-dnsname a.lab.test "+by, "cert create -client "+by, "cert create -cli "+by), requests()...)
	connectAll(t, got)
}

// agent is a server alone, with these files as they are.
type agent struct {
	folder string
	// at is a loopback address that hardly any other program uses.
	at    string
	ports [3]int
}

// config is what the agent reads.
func (a *agent) config(c pki.Credential) string {
	return fmt.Sprintf(`
name = "alone"
data_dir = "%[1]s/data"
bind_addr = %[2]q
disable_update_check = true
leave_on_terminate = false
advertise {
  http = %[2]q
  rpc  = %[2]q
  serf = %[2]q
}
ports {
  http = %[3]d
  rpc  = %[4]d
  serf = %[5]d
}
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}
server {
  enabled          = true
  bootstrap_expect = 1
  num_schedulers   = 1
}
tls {
  http = true
  rpc  = true
  ca_file   = "%[1]s/ca.pem"
  cert_file = "%[1]s/%[6]s"
  key_file  = "%[1]s/%[7]s"
  verify_server_hostname = true
  verify_https_client    = true
}
`, a.folder, a.at, a.ports[0], a.ports[1], a.ports[2], c.Identity.CertFile(), c.Identity.KeyFile())
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	a := &agent{folder: t.TempDir(), at: fmt.Sprintf("127.%d.%d.%d", 10+rand.IntN(200), rand.IntN(255), 1+rand.IntN(253))}
	for i := range a.ports {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", a.at+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // only now, so that no two of them are one
		a.ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return a
}

// run starts the agent with a credential, and awaits that it answers the user, or that it ends. It returns what the agent wrote,
// which is gone afterwards.
func (a *agent) run(t *testing.T, server, user pki.Credential) (answered bool, said string) {
	t.Helper()
	overwrite(t, a.folder, layout{"ca.pem": server.CAPEM, server.Identity.CertFile(): server.CertPEM, server.Identity.KeyFile(): server.KeyPEM, "agent.hcl": []byte(a.config(server))})
	config, err := user.ClientTLS(server.Identity.Name())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), deadline.Hang)
	defer stop()
	var out bytes.Buffer
	command := exec.CommandContext(ctx, nomad(t), "agent", "-config", filepath.Join(a.folder, "agent.hcl"))
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.folder}
	command.Stdout, command.Stderr = &out, &out
	defer killWithParent(command)()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	over := false
	err = poll.Until(ctx, "the agent's answer or end", func(ctx context.Context) string {
		select {
		case <-ended:
			over = true
			return ""
		default:
			return a.ask(ctx, config)
		}
	})
	stop() // kills it
	<-ended
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return !over, out.String()
}

// ask returns why the agent does not answer; empty if it does.
func (a *agent) ask(ctx context.Context, config *tls.Config) string {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://%s:%d/v1/agent/health?type=server", a.at, a.ports[0]), http.NoBody)
	if err != nil {
		return err.Error()
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.Status
	}
	return ""
}

// TestOneFileForBoth: a real agent starts with certificate and key in one file, as the source gives them, if the certificate is
// first. It does not if the key is first, which the source refuses; see nomad#27660.
func TestOneFileForBoth(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	base := m.flat().with(layout{serverKey: nil})
	c := m.sound(serverID)
	asked := []authority.Request{{Identity: cliID}, {Node: "server-1", Identity: serverID}}
	root := base.with(layout{serverCert: join(c.CertPEM, c.KeyPEM)}).write(t)
	_, got := mustRead(t, root, asked...)
	server := got[1]
	if both := join(c.CertPEM, c.KeyPEM); !bytes.Equal(server.CertPEM, both) || !bytes.Equal(server.KeyPEM, both) {
		t.Fatal("the source changed the bytes of the file")
	}
	if answered, said := newAgent(t).run(t, server, got[0]); !answered {
		t.Errorf("with the certificate first it ends:\n%s", said)
	}

	keyFirst := join(c.KeyPEM, c.CertPEM)
	overwrite(t, root, layout{serverCert: keyFirst})
	_, err := folder.Read(t.Context(), root, folder.Options{Requests: asked})
	refused(t, err, filepath.Join(root, serverCert)+" is a file that has the private key before the certificate", "move the key behind the certificates")
	server.CertPEM, server.KeyPEM = keyFirst, keyFirst
	if answered, said := newAgent(t).run(t, server, got[0]); answered || !strings.Contains(said, "failed to set up TLS expiration metrics") {
		t.Errorf("with the key first it answers: %t\n%s", answered, said)
	}
}

// TestAgentWithAFolder: a real agent starts with what the source gives from PKCS#12 files, and answers their user.
func TestAgentWithAFolder(t *testing.T) {
	t.Parallel()
	root, passwordFile := pfxFolder(t, newMaker(t), "", false)
	s, err := folder.Read(t.Context(), root, folder.Options{PasswordFile: passwordFile})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Issue(t.Context(), requests()...)
	if err != nil {
		t.Fatal(err)
	}
	if answered, said := newAgent(t).run(t, got[1], got[0]); !answered {
		t.Errorf("it ends:\n%s", said)
	}
	// The control: the user of another authority is not answered.
	stranger := newMaker(t).sound(cliID)
	stranger.CAPEM = got[0].CAPEM
	if err := connect(t.Context(), stranger, got[1]); err == nil {
		t.Error("a stranger is accepted")
	}
}

// TestEd25519: a real agent does not start with the key that the source refuses.
func TestEd25519(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	if answered, said := newAgent(t).run(t, m.issue(serverID, pki.Ed25519()), m.sound(cliID)); answered || !strings.Contains(said, "RSA and ECDSA only are supported") {
		t.Errorf("it answers: %t\n%s", answered, said)
	}
}
