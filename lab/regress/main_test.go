package regress_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// clustersAtOnce is how many tests that bring up clusters run at the same time, unless -parallel says another number: a cluster
// spends part of its time waiting for limits of time.
const clustersAtOnce = "3"

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the lock files in testdata from what TestProofOfConfigurations sees")
	_ = flag.Set("test.parallel", clustersAtOnce)
	os.Exit(labtest.Main(m))
}

// updating reports whether what was seen is to be written down.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// copied returns a folder of fixtures/config as its operator keeps it: no other user may read it.
func copied(t *testing.T, name string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	from := "config/" + name
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
		return os.WriteFile(at, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// pathsOf returns where a folder of fixtures/config has each role's configuration.
func pathsOf(t *testing.T, folder string) regress.Paths {
	t.Helper()
	of := func(role string) []string {
		for _, name := range []string{role, role + ".hcl", role + ".json"} {
			if at := filepath.Join(folder, name); exists(at) {
				return []string{at}
			}
		}
		return nil
	}
	return regress.Paths{Server: of("server"), Client: of("client")}
}

// source reads a folder of fixtures/config.
func source(t *testing.T, name string) regress.Source {
	t.Helper()
	s, err := regress.Read(pathsOf(t, copied(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// options returns those by which configurations are checked on the engine that is asked for.
func options(t *testing.T) regress.Options {
	t.Helper()
	return named(t, labtest.Engines(t))
}

// named returns options with a name for labs that no other has.
func named(t *testing.T, e *engines.Set) regress.Options {
	t.Helper()
	name := labtest.Name(t) // what makes it unique is at its end; there must be room for which of several labs it is
	return regress.Options{Engine: e.Home(), Others: e.Others(), Name: "t-" + name[strings.LastIndex(name, "-")+1:]}
}

// longAuthority is the life of an authority that can sign a certificate for ten years.
const longAuthority = 11 * 365 * 24 * time.Hour

// tlsFolder returns a folder with what the hardened configuration names, as it would be deployed, and at its top, away from
// where agents look, the authority and a cli certificate.
func tlsFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	authority, err := pki.NewAuthority(pki.Options{Intermediates: 1, TTL: longAuthority})
	if err != nil {
		t.Fatal(err)
	}
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

// hardenedWithKeys returns the paths of the hardened configuration and its keys.
func hardenedWithKeys(t *testing.T) regress.Paths {
	t.Helper()
	paths := pathsOf(t, copied(t, "hardened"))
	paths.TLS = tlsFolder(t)
	return paths
}
