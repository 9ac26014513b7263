package nomadcli_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/nomadcli"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// day is the unit of -days.
const day = 24 * time.Hour

// machine runs scripts on this machine with the Nomad of this version.
type machine struct {
	// bin has nomad alone; temp is the scripts' TMPDIR.
	bin, temp string
	// shell is the program that reads the script, with its arguments.
	shell []string
	// environment is added to that of the scripts.
	environment []string
	// runs counts the scripts.
	runs atomic.Int32
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	found, err := image.ResolveBinary(t.Context(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{bin: t.TempDir(), temp: t.TempDir(), shell: []string{"sh"}}
	if err := os.Symlink(found.Path, filepath.Join(m.bin, "nomad")); err != nil {
		t.Fatal(err)
	}
	return m
}

// run is a nomadcli.Runner.
func (m *machine) run(ctx context.Context, script string) ([]byte, error) {
	m.runs.Add(1)
	var complained bytes.Buffer
	c := exec.CommandContext(ctx, m.shell[0], m.shell[1:]...) //nolint:gosec // the test's own shell
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.Env = append([]string{"PATH=" + m.bin + ":/usr/bin:/bin", "TMPDIR=" + m.temp}, m.environment...)
	c.Stdin, c.Stderr = strings.NewReader(script), &complained
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, complained.String())
	}
	return out, nil
}

// left returns what scripts have left behind.
func (m *machine) left(t *testing.T) []string {
	t.Helper()
	left, err := os.ReadDir(m.temp)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	return names
}

func request(role pki.Role, names ...string) authority.Request {
	r := authority.Request{Identity: pki.Identity{Role: role, DNSNames: names}}
	if role != pki.CLI {
		r.Node = string(role) + "-1"
	}
	return r
}

// source returns a new authority.
func source(t *testing.T, m *machine, o nomadcli.Options) *nomadcli.Source {
	t.Helper()
	s, err := nomadcli.New(t.Context(), o, m.run)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// issue returns one credential and its certificate.
func issue(t *testing.T, s *nomadcli.Source, r authority.Request) (pki.Credential, *x509.Certificate) {
	t.Helper()
	all, err := s.Issue(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d credentials for one request", len(all))
	}
	leaf, err := all[0].Leaf()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], leaf
}

// verify verifies a credential's certificate for a name as Nomad's agents do.
func verify(t *testing.T, c pki.Credential, name string) error {
	t.Helper()
	leaf, err := c.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := c.Pool()
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: pool, DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// authorityOf returns the only authority of a credential's bundle.
func authorityOf(t *testing.T, c pki.Credential) *x509.Certificate {
	t.Helper()
	all, err := c.Authorities()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d authorities", len(all))
	}
	return all[0]
}

// texts returns the addresses as texts.
func texts(c *x509.Certificate) []string {
	var out []string
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	slices.Sort(out)
	return out
}

// awaitKey waits until a script has made the authority's key.
func awaitKey(t *testing.T, m *machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	if err := poll.Until(ctx, "the authority's key", func(context.Context) string {
		found, err := filepath.Glob(filepath.Join(m.temp, "*", "ca", "*-key.pem"))
		if err != nil || len(found) == 0 {
			return "there is none"
		}
		if info, err := os.Stat(filepath.Dir(filepath.Dir(found[0]))); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the folder of keys: %v, %v", info, err)
		}
		if info, err := os.Stat(found[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key: %v, %v", info, err)
		}
		return ""
	}); err != nil {
		t.Fatal(err)
	}
}
