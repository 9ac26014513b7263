package regress_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// looked returns the result of each check of the files.
func looked(t *testing.T, s regress.Source) map[string]finding.Result {
	t.Helper()
	found, err := regress.CheckFiles(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]finding.Result{}
	for _, f := range found {
		all[f.ID] = f.Result
		if f.Result == finding.Inconclusive {
			t.Errorf("%s: %s: %v", f.ID, f.Reason, f.Evidence)
		}
	}
	return all
}

// TestFiles: each fault of a user's files makes its check fail, and no other.
func TestFiles(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const (
		private, owned  = "server-key-file-is-private", "server-key-file-belongs-to-root-or-the-agent"
		secret, signing = "server-configuration-with-secrets-is-private", "server-key-of-authority-lies-elsewhere"
	)
	for name, test := range map[string]struct {
		fault  func(t *testing.T, config, tls string)
		breaks string
	}{
		"none": {func(*testing.T, string, string) {}, ""},
		"a key for every user": {func(t *testing.T, _, tls string) {
			chmod(t, filepath.Join(tls, "server-key.pem"), 0o644)
		}, private},
		"a key for the group": {func(t *testing.T, _, tls string) {
			chmod(t, filepath.Join(tls, "server-key.pem"), 0o640)
		}, ""},
		"a gossip key for every user": {func(t *testing.T, config, _ string) {
			chmod(t, filepath.Join(config, "gossip.hcl"), 0o604)
		}, secret},
		"settings for every user": {func(t *testing.T, config, _ string) {
			chmod(t, filepath.Join(config, "server.hcl"), 0o644)
		}, ""},
		"an authority's key beside": {func(t *testing.T, _, tls string) {
			if err := authority.Save(tls); err != nil {
				t.Fatal(err)
			}
		}, signing},
		"an authority's key beside, by another name": {func(t *testing.T, _, tls string) {
			if err := authority.Save(tls); err != nil {
				t.Fatal(err)
			}
			rename(t, filepath.Join(tls, pki.CAKeyFile), filepath.Join(tls, "deep", "issuing.key"))
		}, signing},
		"another key by the name of an authority's": {func(t *testing.T, _, tls string) {
			text, err := os.ReadFile(filepath.Join(tls, "server-key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(tls, pki.CAKeyFile), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"a comment, a header, a meta entry and a path": {func(t *testing.T, config, _ string) {
			text := `# Ask ops for the token: it is not kept here. encrypt = "no"
			client { meta { key = "value" } chroot_env { "/etc/passwd" = "/etc/passwd" } }
			http_api_response_headers { "Access-Control-Allow-Credentials" = "true" }
			consul { token = "" }
			plugin "docker" { config { auth { config = "/etc/docker-auth.json" } } }`
			if err := os.WriteFile(filepath.Join(config, "more.hcl"), []byte(text), 0o644); err != nil { //nolint:gosec // as in a checkout
				t.Fatal(err)
			}
		}, ""},
		"a token in JSON for every user": {func(t *testing.T, config, _ string) {
			if err := os.WriteFile(filepath.Join(config, "more.json"), []byte(`{"consul": [{"token": "s3cr3t"}]}`), 0o644); err != nil { //nolint:gosec // the fault
				t.Fatal(err)
			}
		}, secret},
	} {
		t.Run(name, func(t *testing.T) {
			config := written(t, map[string]string{
				"server.hcl": soundServer, "gossip.hcl": `server { encrypt = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg=" }`,
			})
			files := credentials(t, authority, pki.Identity{Role: pki.Server})
			files["person.pem"] = credentials(t, authority, pki.Identity{Role: pki.CLI})["server.pem"]
			tls := written(t, files)
			test.fault(t, config, tls)
			s, err := regress.Read(regress.Paths{Server: []string{config}, TLS: tls})
			if err != nil {
				t.Fatal(err)
			}
			for id, got := range looked(t, s) {
				want := finding.Pass
				switch id {
				case test.breaks:
					want = finding.Fail
				case "server-lists-no-weak-suites":
					want = finding.Skipped // as the key is at hand
				}
				if got != want {
					t.Errorf("%s is %s, want %s", id, got, want)
				}
			}
			if test.breaks == "" {
				otherOwner(t, s, owned)
			}
		})
	}
}

// otherOwner gives the key to another user, which only root may do to the file itself.
func otherOwner(t *testing.T, s regress.Source, breaks string) {
	t.Helper()
	for i, o := range s.Originals {
		if o.Holds == regress.HoldsKey {
			s.Originals[i].Owner = 65534
		}
	}
	if got := looked(t, s)[breaks]; got != finding.Fail {
		t.Errorf("with a key of another user, %s is %s", breaks, got)
	}
}

// rename moves a file, perhaps into a folder that is not there yet.
func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// TestWhereASecretLies: of files that hold one the check names those that every user may read, with its line, and no others; where none
// is so, all of them.
func TestWhereASecretLies(t *testing.T) {
	const id = "server-configuration-with-secrets-is-private"
	config := written(t, map[string]string{
		"server.hcl": soundServer, "token.hcl": "\n\nconsul {\n  token = \"s3cr3t\"\n}\n",
		"gossip.hcl": "# Ask ops for the token: it is not kept here.\nserver {\n  encrypt = \"dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg=\"\n}\n",
	})
	gossip, token := filepath.Join(config, "gossip.hcl"), filepath.Join(config, "token.hcl")
	inGossip := fmt.Sprintf("%s: %s, mode %%04o, user %d, server.encrypt in line 3", gossip, regress.HoldsSecrets, os.Getuid())
	inToken := fmt.Sprintf("%s: %s, mode %%04o, user %d, consul.token in line 4", token, regress.HoldsSecrets, os.Getuid())
	for name, test := range map[string]struct {
		gossip, token os.FileMode
		want          finding.Result
		saw           string
		settings      []string
	}{
		"the gossip key for every user": {0o644, 0o600, finding.Fail, fmt.Sprintf(inGossip, 0o644), []string{"server.encrypt"}},
		"the token for every user":      {0o600, 0o604, finding.Fail, fmt.Sprintf(inToken, 0o604), []string{"consul.token"}},
		"both":                          {0o644, 0o604, finding.Fail, fmt.Sprintf(inGossip, 0o644) + "; " + fmt.Sprintf(inToken, 0o604), []string{"server.encrypt", "consul.token"}},
		"none":                          {0o600, 0o640, finding.Pass, fmt.Sprintf(inGossip, 0o600) + "; " + fmt.Sprintf(inToken, 0o640), []string{"server.encrypt", "consul.token"}},
	} {
		chmod(t, gossip, test.gossip)
		chmod(t, token, test.token)
		s, err := regress.Read(regress.Paths{Server: []string{config}})
		if err != nil {
			t.Fatal(err)
		}
		found, err := regress.CheckFiles(t.Context(), s, id)
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %d findings, %v", name, len(found), err)
		}
		f := found[0]
		if f.Result != test.want || !slices.Equal(f.Settings, test.settings) {
			t.Errorf("%s: %s by %q, want %s by %q", name, f.Result, f.Settings, test.want, test.settings)
		}
		for _, e := range f.Evidence {
			if e.Part == finding.Probe && e.Received != test.saw {
				t.Errorf("%s: it saw\n%s, want\n%s", name, e.Received, test.saw)
			}
		}
	}
}

// TestNoFiles: where no key was read, nothing is said of it. Lines are read in any case.
func TestNoFiles(t *testing.T) {
	s, err := regress.Read(regress.Paths{Server: []string{written(t, map[string]string{"s.hcl": soundServer})}})
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"server-calls-to-consul-are-safe", "server-calls-to-vault-are-safe", "server-pages-run-no-foreign-scripts",
		"server-programs-lie-where-root-alone-writes", "server-state-lies-where-root-alone-writes", "server-calls-to-transit-are-safe",
		"server-lists-no-weak-suites",
	}
	for id, got := range looked(t, s) {
		want := finding.Skipped
		if slices.Contains(lines, id) {
			want = finding.Pass
		}
		if got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}
