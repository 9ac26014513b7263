package inspect_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
)

// files writes a credential down, and returns the cluster that it would be for.
func files(t *testing.T, c pki.Credential, address string) inspect.Remote {
	t.Helper()
	folder := t.TempDir()
	write := func(name string, content []byte) string {
		at := filepath.Join(folder, name)
		if err := os.WriteFile(at, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	return inspect.Remote{
		Addresses: []string{address},
		CA:        write("ca.pem", c.CAPEM), Certificate: write("cli.pem", c.CertPEM), Key: write("cli-key.pem", c.KeyPEM),
	}
}

// deadPort is an address at which nothing listens: it was just closed.
func deadPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestBadInput: each error says exactly what is wrong. The control is the first row: everything is right but that no agent
// is there, which is the error.
func TestBadInput(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := pki.Identity{Role: pki.CLI}
	sound, err := authority.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	other, err := authority.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	defective := func(f pki.Defect) pki.Credential {
		c, err := authority.IssueDefective(id, f)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	mixed, text, locked := sound, sound, sound
	locked.KeyPEM = []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	mixed.KeyPEM = other.KeyPEM
	text.CertPEM = []byte("not PEM")
	deadAddress := "https://" + deadPort(t)
	for name, test := range map[string]struct {
		remote inspect.Remote
		is     error
		says   string
	}{
		"no agent there":       {files(t, sound, deadAddress), inspect.ErrNoAnswer, "connection refused"},
		"no port":              {files(t, sound, "https://127.0.0.1"), inspect.ErrAddress, "https://HOST:PORT"},
		"no address":           {files(t, sound, "server-1"), inspect.ErrAddress, "https://HOST:PORT"},
		"key of another":       {files(t, mixed, deadAddress), inspect.ErrCredential, "is not the key of"},
		"a passphrase":         {files(t, locked, deadAddress), inspect.ErrCredential, "openssl pkey -in"},
		"no certificate":       {files(t, text, deadAddress), inspect.ErrCredential, "holds no certificate"},
		"expired":              {files(t, defective(pki.Expired()), deadAddress), inspect.ErrCredential, "expired on"},
		"of tomorrow":          {files(t, defective(pki.NotYetValid()), deadAddress), inspect.ErrCredential, "is the clock right?"},
		"no such file":         {inspect.Remote{Addresses: []string{deadAddress}, CA: "/nowhere/ca.pem"}, inspect.ErrCredential, "/nowhere/ca.pem"},
		"name that is nowhere": {files(t, sound, "https://nowhere.invalid:4646"), inspect.ErrNoAnswer, "nowhere.invalid"},
	} {
		_, err := inspect.Cluster(t.Context(), test.remote, inspect.Options{})
		if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want %v that says %q", name, err, test.is, test.says)
		}
	}
}

// TestTokenFile: an empty one is not taken for none.
func TestTokenFile(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := authority.Issue(pki.Identity{Role: pki.CLI})
	if err != nil {
		t.Fatal(err)
	}
	r := files(t, c, "https://"+deadPort(t))
	r.TokenFile = filepath.Join(t.TempDir(), "token")
	for content, says := range map[string]string{"": "is empty", "\n": "is empty", "hush": "connection refused"} {
		if err := os.WriteFile(r.TokenFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := inspect.Cluster(t.Context(), r, inspect.Options{}); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("token %q: error %v, want one that says %q", content, err, says)
		}
	}
}
