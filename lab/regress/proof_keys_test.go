package regress_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// theKeysAreTheUsers: certificates of the user are what agents show, and nothing of the user's stays or is changed.
func theKeysAreTheUsers(t *testing.T, c *checked) {
	folder := copied(t, "hardened")
	paths := pathsOf(t, folder)
	paths.TLS = tlsFolder(t)
	before := contents(t, folder, paths.TLS)
	s, err := regress.Read(paths)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.check(c.options(), s)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := s.Configuration.Server.Credential.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, c := range r.Cluster.Certificates {
		shown = shown || c.Holder == "server-1" && c.NotBefore.Equal(leaf.NotBefore) && c.Issuer == leaf.Issuer.String()
	}
	if !shown {
		t.Errorf("server-1 does not show the certificate of the user: %+v", r.Cluster.Certificates)
	}
	for path, text := range contents(t, folder, paths.TLS) {
		if before[path] != text {
			t.Errorf("%s was changed", path)
		}
	}
	passes(t, r)
	holds(t, r, "server-key-file-is-private", "client-key-file-is-private")
}

// holds demands that each of the checks passes somewhere.
func holds(t *testing.T, r finding.Report, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.ID == id && f.Result == finding.Pass }) {
			t.Errorf("%s did not hold", id)
		}
	}
}

// contents returns all files below the folders, with their modes.
func contents(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			info, statErr := os.Stat(path)
			if statErr == nil {
				all[path] = info.Mode().String() + string(text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// withoutTheAuthoritysKey: with the certificates that agents' hosts have, whose authority's key and whose person's are elsewhere, what
// needs no wrong certificate is tried all the same, and the rest says why it is not.
func withoutTheAuthoritysKey(t *testing.T, c *checked) {
	paths := hardenedWithKeys(t)
	for _, pattern := range []string{pki.CAKeyFile, "*-cli-*"} {
		found, err := filepath.Glob(filepath.Join(paths.TLS, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := regress.Read(paths)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.check(c.options(), s)
	if err != nil {
		t.Fatal(err)
	}
	passed, skipped := 0, 0
	for _, f := range r.Findings {
		switch {
		case f.Result == finding.Pass:
			passed++
		case f.Result == finding.Skipped && strings.Contains(f.Reason, "authority"):
			skipped++
		}
	}
	passes(t, r)
	holds(t, r,
		"server-https-refuses-plaintext", "server-https-refuses-no-certificate", "client-https-refuses-no-certificate",
		"server-lets-nobody-register-jobs-without-token", "gossip-refuses-no-key", "server-has-its-peers",
		"server-https-refuses-foreign-certificate", "server-certificate-has-a-strong-key",
	)
	if passed < 100 || skipped == 0 {
		t.Errorf("%d passed, %d skipped for lack of the authority's key", passed, skipped)
	}
}
