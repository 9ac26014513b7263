package vault_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
)

// binaryVariable names a Vault binary to test with.
const binaryVariable = "NOMADLAB_VAULT"

// running are the servers of this test binary: one as published, which listens without TLS, and a safe one.
var running struct {
	published, safe *server
	// missing says why there are none.
	missing string
}

// server is a real Vault server.
type server struct {
	address string
	ca      []byte
	log     *lockedBuffer
	process *exec.Cmd
	// authority is nil until TestMain has set it up.
	authority *vault.Authority
}

func TestMain(m *testing.M) {
	// The kernel ends the servers with this thread, so that a killed test leaves none.
	runtime.LockOSThread()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "vault-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	ctx, cancel := deadline.Fair(context.Background(), 2*time.Minute)
	defer cancel()
	binary, err := vaultBinary(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binary == "" {
		// make test knows these words: another reason to skip is an error.
		running.missing = "it needs Vault, which this machine lacks: `nomadlab image --part vault` gets it, or " + binaryVariable + " names a binary"
		return m.Run()
	}
	defer stopServers()
	if err := startServers(ctx, binary, folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// vaultBinary returns the path of a Vault that is here; empty if there is none.
func vaultBinary(ctx context.Context) (string, error) {
	request := image.Request{Part: image.Vault, Binary: os.Getenv(binaryVariable)}
	if request.Binary == "" {
		cached, err := image.Cached(ctx, "", request)
		if err != nil || !cached {
			return "", err
		}
	}
	found, err := image.ResolveBinary(ctx, request, nil)
	return found.Path, err
}

func startServers(ctx context.Context, binary, folder string) error {
	for _, published := range []bool{true, false} {
		s, err := startServer(ctx, binary, filepath.Join(folder, fmt.Sprint(published)), published)
		if published {
			running.published = s
		} else {
			running.safe = s
		}
		if err != nil {
			return err
		}
		if s.authority, err = vault.Setup(ctx, s.options(published)); err != nil {
			return fmt.Errorf("%w\n%s", err, s.log)
		}
	}
	return nil
}

func stopServers() {
	for _, s := range []*server{running.published, running.safe} {
		if s != nil {
			s.stop()
		}
	}
}

func (s *server) stop() {
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait() // it was killed
	}
}

// startServer starts a real Vault server on a loopback address of its own and waits until it answers.
func startServer(ctx context.Context, binary, folder string, published bool) (*server, error) {
	at, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(folder, "data"), 0o700); err != nil {
		return nil, err
	}
	config := render.Server{Address: at.String(), DataFolder: filepath.Join(folder, "data")}
	s := &server{address: "http://" + at.String(), log: &lockedBuffer{}}
	if !published {
		s.address = "https://" + at.String()
		config.CertFile, config.KeyFile = filepath.Join(folder, "vault.crt"), filepath.Join(folder, "vault.key")
		if s.ca, err = writeCertificate(config, at.Addr()); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(folder, "vault.hcl")
	if err := os.WriteFile(path, []byte(config.Config()), 0o600); err != nil {
		return nil, err
	}
	s.process = exec.Command(binary, "server", "-config", path)
	s.process.Env = []string{"HOME=" + folder}
	s.process.Stdout, s.process.Stderr = s.log, s.log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	client, err := vault.NewClient(s.address, s.ca)
	if err != nil {
		return s, err
	}
	defer client.Close()
	if _, err := client.Await(ctx); err != nil {
		return s, fmt.Errorf("%w\n%s", err, s.log)
	}
	return s, nil
}

// writeCertificate writes a certificate for a Vault server, and returns its authority.
func writeCertificate(config render.Server, ip netip.Addr) ([]byte, error) {
	ca, err := pki.NewAuthority(pki.Options{CommonName: "Vault's own CA"})
	if err != nil {
		return nil, err
	}
	c, err := ca.Issue(pki.Identity{Role: pki.Server, DNSNames: []string{"vault"}, IPs: []netip.Addr{ip}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(config.CertFile, c.CertPEM, 0o600); err != nil {
		return nil, err
	}
	return c.CAPEM, os.WriteFile(config.KeyFile, c.KeyPEM, 0o600)
}

// freeAddress returns an unused port on a loopback address that no other test is likely to have.
func freeAddress(ctx context.Context) (netip.AddrPort, error) {
	pid := os.Getpid()
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", fmt.Sprintf("127.%d.%d.%d:0", 64+pid/62500%64, pid/250%250, 1+pid%250))
	if err != nil {
		return netip.AddrPort{}, err
	}
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	return at, l.Close()
}

// The identities of the tests' lab.
var (
	serverID = pki.Identity{Role: pki.Server, DNSNames: []string{"server1", "server-1.lab"}, IPs: []netip.Addr{netip.MustParseAddr("127.9.9.1")}}
	clientID = pki.Identity{Role: pki.Client, DNSNames: []string{"client-1.lab"}, IPs: []netip.Addr{netip.MustParseAddr("127.9.9.2")}}
	euID     = pki.Identity{Role: pki.Client, Region: "eu"}
	userID   = pki.Identity{Role: pki.CLI}
)

func requests() []authority.Request {
	return []authority.Request{
		{Node: "server1", Identity: serverID}, {Node: "client1", Identity: clientID}, {Node: "eu1", Identity: euID, RSA: true}, {Identity: userID},
	}
}

func (s *server) options(published bool) vault.Options {
	return vault.Options{Name: "nomadlab test", Address: s.address, CA: s.ca, Published: published, Requests: requests()}
}

// published returns the Vault as published, safe the safe one. They skip the test if there is no Vault: CI builds none.
func published(t *testing.T) *server { return needVault(t, running.published) }

func safe(t *testing.T) *server { return needVault(t, running.safe) }

func needVault(t *testing.T, s *server) *server {
	t.Helper()
	if running.missing != "" {
		t.Skip(running.missing) //nolint:forbidigo // CI builds no Vault; make test counts it, and make prove gets Vault first
	}
	return s
}

// both runs a test on each server.
func both(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	t.Run("published", func(t *testing.T) { test(t, published(t)) })
	t.Run("safe", func(t *testing.T) { test(t, safe(t)) })
}

// lockedBuffer collects a process's output.
type lockedBuffer struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
