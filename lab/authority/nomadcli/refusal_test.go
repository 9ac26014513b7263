package nomadcli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/nomadcli"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRefusals has each mistake beside the same options with the mistake put right, which must succeed.
func TestRefusals(t *testing.T) {
	constrained := nomadcli.Options{Domain: "lab.test", AdditionalDomains: []string{"example.com"}, NameConstraint: true}
	tests := []struct {
		name           string
		wrong, right   nomadcli.Options
		asked, instead authority.Request
		// says are parts of the error; ran is whether Nomad was asked.
		says []string
		ran  bool
	}{
		{
			name: "constraint without a domain", wrong: nomadcli.Options{NameConstraint: true},
			right: nomadcli.Options{NameConstraint: true, Domain: "lab.test"},
			says:  []string{"Please provide the -domain flag if you want to enable custom domain constraints", "Set a domain of your own"}, ran: true,
		},
		{
			name: "domain without a constraint", wrong: nomadcli.Options{Domain: "lab.test"}, right: nomadcli.Options{},
			says: []string{"Please provide the -name-constraint flag to use a custom domain constraint", "leave out the domain"}, ran: true,
		},
		{
			name: "name outside the constraints", wrong: constrained, right: constrained,
			asked: request(pki.Server, "nomad.evil.org"), instead: request(pki.Server, "nomad.example.com"),
			says: []string{`DNS name "nomad.evil.org" is not permitted by any constraint`, "server-1", "Add a domain"}, ran: true,
		},
		{
			name: "certificates of a domain outside the constraints", says: []string{"is not permitted by any constraint"}, ran: true,
			wrong: nomadcli.Options{Domain: "lab.test", NameConstraint: true, CertificateDomain: "other.test"},
			right: nomadcli.Options{Domain: "lab.test", NameConstraint: true, CertificateDomain: "lab.test"},
		},
		{
			name: "RSA", asked: authority.Request{Node: "server-1", RSA: true, Identity: pki.Identity{Role: pki.Server}},
			says: []string{"server-1", "makes no RSA keys"},
		},
		{
			name: "no role", asked: authority.Request{Node: "server-1", Identity: pki.Identity{Role: "admin"}}, says: []string{`role "admin"`},
		},
		{
			name:  "certificates that last as long as their authority",
			wrong: nomadcli.Options{TTL: 47 * time.Hour, LeafTTL: 2 * day}, right: nomadcli.Options{TTL: 49 * time.Hour, LeafTTL: 2 * day},
			says: []string{"certificates of 2 days from an authority of 2"},
		},
		{
			name: "a year's certificates from an authority of a month", wrong: nomadcli.Options{TTL: 30 * day},
			right: nomadcli.Options{TTL: 30 * day, LeafTTL: day}, says: []string{"certificates of 365 days from an authority of 30"},
		},
		{name: "a negative life", wrong: nomadcli.Options{LeafTTL: -day}, says: []string{"a negative life"}},
		{name: "a domain that is none", wrong: nomadcli.Options{NameConstraint: true, Domain: "a b"}, right: nomadcli.Options{NameConstraint: true, Domain: "a.b"}, says: []string{`domain "a b"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			try := func(o nomadcli.Options, r authority.Request) error {
				if r.Identity.Role == "" {
					r = request(pki.Server)
				}
				_, err := nomadcli.New(t.Context(), o, m.run, r)
				return err
			}
			err := try(test.wrong, test.asked)
			if !errors.Is(err, spec.ErrInvalid) {
				t.Fatalf("%v, want an error that wraps ErrInvalid", err)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error has no %q: %v", part, err)
				}
			}
			if ran := m.runs.Load() > 0; ran != test.ran {
				t.Errorf("Nomad was asked: %v", ran)
			}
			if err := try(test.right, test.instead); err != nil {
				t.Errorf("put right: %v", err)
			}
			if left := m.left(t); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestSameMistakeIsToldOnce: every node of a lab has it.
func TestSameMistakeIsToldOnce(t *testing.T) {
	s := source(t, newMachine(t), nomadcli.Options{Domain: "lab.test", NameConstraint: true})
	_, err := s.Issue(t.Context(), request(pki.Server, "a.evil.org"), request(pki.Client, "a.evil.org"), request(pki.CLI, "b.evil.org"))
	if err == nil || strings.Count(err.Error(), "a.evil.org\" is not permitted") != 1 || !strings.Contains(err.Error(), "b.evil.org\" is not") {
		t.Error(err)
	}
}

// TestPermitsIsNomads: what a Spec says about an authority's names is what Nomad signs.
func TestPermitsIsNomads(t *testing.T) {
	o := spec.Authority{Domain: "lab.test", AdditionalDomains: []string{"Example.com"}, NameConstraint: true}
	s := source(t, newMachine(t), nomadcli.Options{Domain: o.Domain, AdditionalDomains: o.AdditionalDomains, NameConstraint: true})
	for name, want := range map[string]bool{
		"lab.test": true, "a.b.lab.test": true, "*.lab.test": true, "evil-lab.test": false, "example.COM": true, "www.example.com": true,
		"server-1": false, "server.eu.nomad": true, "a.localhost": true, "test": false,
	} {
		_, err := s.Issue(t.Context(), request(pki.Server, name))
		if o.Permits(name) != want || (err == nil) != want {
			t.Errorf("%s: Permits says %v, and Nomad %v; want %v", name, o.Permits(name), err, want)
		}
	}
	if !(spec.Authority{}).Permits("server-1") {
		t.Error("an authority without constraints permits every name")
	}
}

// TestOtherFailures are not the user's: a runner that fails, and one that returns half of an archive.
func TestOtherFailures(t *testing.T) {
	m := newMachine(t)
	broken := errors.New("no such container")
	for name, run := range map[string]nomadcli.Runner{
		"a runner that fails": func(context.Context, string) ([]byte, error) { return nil, broken },
		"nothing":             func(context.Context, string) ([]byte, error) { return nil, nil },
		"what is no archive":  func(context.Context, string) ([]byte, error) { return []byte("sh: nomad: not found"), nil },
		"the beginning of the file": func(ctx context.Context, s string) ([]byte, error) {
			out, err := m.run(ctx, s)
			return out[:min(700, len(out))], err
		},
		"no nomad": func(ctx context.Context, s string) ([]byte, error) {
			return m.run(ctx, strings.ReplaceAll(s, " nomad tls", " no-such-program tls"))
		},
	} {
		if _, err := nomadcli.New(t.Context(), nomadcli.Options{}, run); err == nil || errors.Is(err, spec.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if _, err := nomadcli.New(t.Context(), nomadcli.Options{}, m.run); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// TestInterrupted: a script that is ended leaves no key behind.
func TestInterrupted(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow := func(ctx context.Context, script string) ([]byte, error) {
		return m.run(ctx, strings.Replace(script, "tar -cf", "echo made >&2\nwhile :; do sleep 0.05; done\ntar -cf", 1))
	}
	done := make(chan error, 1)
	go func() {
		_, err := nomadcli.New(ctx, nomadcli.Options{}, slow)
		done <- err
	}()
	awaitKey(t, m)
	cancel()
	if err := <-done; err == nil {
		t.Error("an interrupted run made an authority")
	}
	if left := m.left(t); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestSourcePrintsNoKey prints a source in every form that a log or a report could take.
func TestSourcePrintsNoKey(t *testing.T) {
	m := newMachine(t)
	var texts []string
	s, err := nomadcli.New(t.Context(), nomadcli.Options{}, m.run, request(pki.Client))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := issue(t, s, request(pki.Server))
	dir := t.TempDir()
	if err := s.Signer().Save(dir); err != nil {
		t.Fatal(err)
	}
	texts = append(texts, strings.Join(s.Commands(), "\n"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, s))
	}
	for _, key := range [][]byte{c.KeyPEM, read(t, dir, pki.CAKeyFile)} {
		line := bytes.Split(key, []byte("\n"))[1][:20]
		for _, form := range []string{string(line), fmt.Sprintf("%x", line), strings.Trim(fmt.Sprint(line), "[]")} {
			for _, text := range texts {
				if strings.Contains(text, form) {
					t.Errorf("a key shows in a text of %d bytes", len(text))
				}
			}
		}
	}
	if control := fmt.Sprint(&struct{ key []byte }{c.KeyPEM}); !strings.Contains(control, strings.Trim(fmt.Sprint(c.KeyPEM[:20]), "[]")) {
		t.Error("the control: a key that is printed is not seen")
	}
}
