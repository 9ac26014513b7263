package rehearsal_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/rehearsal"
)

func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }

// copied returns a folder of fixtures/config as its operator keeps it, with the texts replaced in all files: old, new, old, new, …
func copied(t *testing.T, name string, replace ...string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	from := "config/" + name
	replacer := strings.NewReplacer(replace...)
	done := 0
	err := fs.WalkDir(fixtures.Config, from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if entry.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		text, err := fixtures.Config.ReadFile(path)
		if err != nil {
			return err
		}
		now := replacer.Replace(string(text))
		if now != string(text) {
			done++
		}
		return os.WriteFile(at, []byte(now), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(replace) > 0 && done == 0 {
		t.Fatalf("no file of %s has one of %q", name, replace)
	}
	return to
}

// side reads a folder, with the certificates in that folder. Empty: the lab's.
func side(t *testing.T, name, folder, tls string) rehearsal.Side {
	t.Helper()
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(folder, "server")}, Client: []string{filepath.Join(folder, "client")}, TLS: tls})
	if err != nil {
		t.Fatal(err)
	}
	return rehearsal.Side{Name: name, Source: s}
}

// issued returns a folder with what the hardened configuration names, by the authority, and a cli certificate at its top.
func issued(t *testing.T, authority *pki.Authority) string {
	t.Helper()
	folder := t.TempDir()
	if err := authority.Save(folder); err != nil {
		t.Fatal(err)
	}
	cli, err := authority.Issue(pki.Identity{Role: pki.CLI})
	if err != nil {
		t.Fatal(err)
	}
	if err := cli.Save(folder); err != nil {
		t.Fatal(err)
	}
	deployed := filepath.Join(folder, "etc", "nomad.d", "tls")
	if err := os.MkdirAll(deployed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		c, err := authority.Issue(pki.Identity{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"ca.pem": c.CAPEM, string(role) + ".pem": c.CertPEM, string(role) + "-key.pem": c.KeyPEM} {
			if err := os.WriteFile(filepath.Join(deployed, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folder
}

// authority returns an authority of its own.
func authority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// options returns those of a rehearsal on the engine that is asked for.
func options(t *testing.T) rehearsal.Options {
	t.Helper()
	e := labtest.Engines(t)
	name := labtest.Name(t) // what makes it unique is at its end
	few := inspect.Options{NoMatrix: true, Only: []string{"cluster", "*-https-refuses-no-certificate", "server-lets-nobody-read-variables-without-token"}}
	began := time.Now()
	tell := func(e lab.Event) {
		_, _ = fmt.Fprintf(t.Output(), "%6.1fs  %s\n", time.Since(began).Seconds(), e.Text)
	}
	return rehearsal.Options{
		Check: regress.Options{Engine: e.Home(), Others: e.Others(), Name: "t-" + name[strings.LastIndex(name, "-")+1:], Inspect: few, Progress: tell},
	}
}
