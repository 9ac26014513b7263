package folder_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/folder"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

var (
	serverID = pki.Identity{Role: pki.Server}
	clientID = pki.Identity{Role: pki.Client}
	cliID    = pki.Identity{Role: pki.CLI}
)

// requests are those of a lab with a server, a client and a user.
func requests() []authority.Request {
	return []authority.Request{{Identity: cliID}, {Node: "server-1", Identity: serverID}, {Node: "client-1", Identity: clientID}}
}

// layout is what a folder has: the texts by their paths.
type layout map[string][]byte

func (l layout) clone() layout { return maps.Clone(l) }

// with returns a copy with other texts at these paths. Nil removes the file.
func (l layout) with(changes layout) layout {
	out := l.clone()
	for path, text := range changes {
		if out[path] = text; text == nil {
			delete(out, path)
		}
	}
	return out
}

// write writes the files, in a folder of their own, with the modes that keys should have.
func (l layout) write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(l)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, l[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// read reads a folder for the requests of a lab.
func read(t *testing.T, root string, requests ...authority.Request) (*folder.Source, []pki.Credential, error) {
	t.Helper()
	s, err := folder.Read(t.Context(), root, folder.Options{Requests: requests})
	if err != nil {
		return nil, nil, err
	}
	credentials, err := s.Issue(t.Context(), requests...)
	return s, credentials, err
}

// mustRead is read for a folder with which nothing is wrong. It checks that every credential is a pair.
func mustRead(t *testing.T, root string, requests ...authority.Request) (*folder.Source, []pki.Credential) {
	t.Helper()
	s, credentials, err := read(t, root, requests...)
	if err != nil {
		t.Fatalf("it is refused: %v", err)
	}
	if len(credentials) != len(requests) {
		t.Fatalf("got %d credentials for %d requests", len(credentials), len(requests))
	}
	for i, c := range credentials {
		if _, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM); err != nil {
			t.Errorf("%s: %v", requests[i].For(), err)
		}
		if c.Identity.Name() != requests[i].Identity.Name() {
			t.Errorf("%s has the identity %s, want %s", requests[i].For(), c.Identity, requests[i].Identity)
		}
	}
	return s, credentials
}

// refused checks that an error is about the input, and names everything that is wanted.
func refused(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Error("it is read")
		return
	}
	if !errors.Is(err, spec.ErrInvalid) {
		t.Errorf("it is no error about the input: %v", err)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "%!") || strings.Contains(err.Error(), "is is") {
		t.Errorf("the error reads badly: %v", err)
	}
}

// replaced returns the texts with the folder for ROOT.
func replaced(texts []string, root string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = strings.ReplaceAll(text, "ROOT", root)
	}
	return out
}

// maker issues what the folders of these tests hold.
type maker struct {
	t    *testing.T
	root *pki.Authority
}

func newMaker(t *testing.T) *maker {
	return &maker{t, newAuthority(t, pki.Options{CommonName: "Own CA", Intermediates: 2, TTL: 60 * 24 * time.Hour})}
}

func newAuthority(t *testing.T, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue issues for an identity, with a defect.
func (m *maker) issue(id pki.Identity, d pki.Defect) pki.Credential {
	m.t.Helper()
	c, err := m.root.IssueDefective(id, d)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// sound issues for an identity.
func (m *maker) sound(id pki.Identity) pki.Credential { return m.issue(id, pki.Defect{}) }

// flat is a folder with the names of `nomad tls`.
func (m *maker) flat() layout {
	l := layout{"nomad-agent-ca.pem": m.root.CertificatePEM()}
	for _, id := range []pki.Identity{serverID, clientID, cliID} {
		c := m.sound(id)
		l[id.CertFile()], l[id.KeyFile()] = c.CertPEM, c.KeyPEM
	}
	return l
}

// keyOf returns the private key of an authority.
func keyOf(t *testing.T, a *pki.Authority) []byte {
	t.Helper()
	at := t.TempDir()
	if err := a.Save(at); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(at, pki.CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func join(texts ...[]byte) []byte { return bytes.Join(texts, nil) }
