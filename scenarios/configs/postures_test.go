package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// judged is what the checks find of the configuration.
func judged(t *testing.T, s regress.Source) finding.Report {
	t.Helper()
	r, err := regress.Check(t.Context(), options(t), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTheSameInEveryForm: as HCL or as JSON, in one file or in many, in whatever order and with whatever comments, a
// configuration has one posture. The control is TestAChangeIsNoticed.
func TestTheSameInEveryForm(t *testing.T) {
	before := lock.Of(judged(t, source(t, "hardened")))
	for _, form := range []string{"json", "split", "one-file"} {
		t.Run(form, func(t *testing.T) {
			after := lock.Of(judged(t, source(t, form)))
			for _, c := range lock.Compare(before, after, "hardened").Changes {
				t.Errorf("%s: %s, by %s: %+v, %+v", c.ID, c.Text, c.Setting, c.Before, c.After)
			}
			if before, after := string(before.Lock()), string(after.Lock()); before != after {
				t.Errorf("the locks differ:\n%s\n\n%s", before, after)
			}
		})
	}
}

// TestAChangeIsNoticed: a single line in one of the files, and what it gives away is told with the line that did it.
func TestAChangeIsNoticed(t *testing.T) {
	folder := copied(t, "hardened")
	before, err := regress.Read(pathsOf(t, folder))
	if err != nil {
		t.Fatal(err)
	}
	changed := copied(t, "hardened")
	file := filepath.Join(changed, "server", "nomad.hcl")
	replace(t, file, "verify_server_hostname = true", "verify_server_hostname = false")
	after, err := regress.Read(pathsOf(t, changed))
	if err != nil {
		t.Fatal(err)
	}
	r, err := regress.Diff(t.Context(), options(t), "before", before, after)
	if err != nil {
		t.Fatal(err)
	}
	weaker := map[string]bool{}
	for _, c := range r.Comparison.Changes {
		if c.Way != finding.Weaker {
			t.Errorf("%s is %s: %s", c.ID, c.Way, c.Text)
			continue
		}
		weaker[c.ID] = true
		if c.Setting != "tls.verify_server_hostname" || c.File != file || c.Line == 0 {
			t.Errorf("%s is put down to %q in %s:%d", c.ID, c.Setting, c.File, c.Line)
		}
	}
	for _, id := range []string{"raft-refuses-client-certificate", "rpc-refuses-cli-certificate", "rpc-gives-root-keys-to-no-client"} {
		if !weaker[id] {
			t.Errorf("%s is not weaker", id)
		}
	}
}

// replace changes a line of a file.
func replace(t *testing.T, file, old, with string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		t.Fatalf("%s has %q %d times", file, old, strings.Count(string(text), old))
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryConfigurationHasItsPosture: what each configuration lets in is written down. A difference is one of Nomad, of the
// checks or of the configuration: look at it, and write it down anew with -update.
func TestEveryConfigurationHasItsPosture(t *testing.T) {
	for _, name := range []string{
		"hardened", "weak", "plaintext", "loopback-http", "cloud-auto-join", "consul-join",
		"tutorial-azure-part-5", "vagrant-cfssl", "vault-pki", "vault-acl", "tls-guide",
	} {
		t.Run(name, func(t *testing.T) {
			s, o := source(t, name), options(t)
			r, err := regress.Check(t.Context(), o, s)
			if o.Engine.Name() == "process" && runsCommands(t, s) {
				if !errors.Is(err, regress.ErrConfiguration) || !strings.Contains(err.Error(), "--engine docker") {
					t.Errorf("raw_exec tasks would run on this machine: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := lock.Of(r)
			file := filepath.Join("testdata", name+".lock.yaml")
			if updating() {
				if err := os.WriteFile(file, got.Lock(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := lock.ReadLock(file, text)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range lock.Compare(want, got, file).Changes {
				if c.Way == finding.Unclear && name != "hardened" {
					// Where much is open, some controls mean nothing, and whether a listener hears anything is luck.
					t.Logf("%s: %s", c.ID, c.Text)
					continue
				}
				t.Errorf("%s: %s: %s: %+v, %+v", c.Way, c.ID, c.Text, c.Before, c.After)
			}
			if !slices.ContainsFunc(got.Entries, func(e lock.Entry) bool { return e.Verdict == finding.Held }) {
				t.Error("nothing held: nothing was proved")
			}
		})
	}
}

// runsCommands says whether clients with the configuration offer raw_exec.
func runsCommands(t *testing.T, s regress.Source) bool {
	t.Helper()
	on, err := s.Configuration.Client.Files.Flag("plugin.raw_exec.config.enabled")
	if err != nil {
		t.Fatal(err)
	}
	return on
}

// TestTheKeysAreTheUsers: certificates that are handed in are what agents show, and nothing of the user's stays or is
// changed.
func TestTheKeysAreTheUsers(t *testing.T) {
	folder := copied(t, "hardened")
	paths := pathsOf(t, folder)
	paths.TLS = tlsFolder(t)
	before := contents(t, folder, paths.TLS)
	s, err := regress.Read(paths)
	if err != nil {
		t.Fatal(err)
	}
	r := judged(t, s)
	leaf, err := s.Configuration.Server.Credential.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, c := range r.Cluster.Certificates {
		shown = shown || c.Holder == "server-1" && c.NotBefore.Equal(leaf.NotBefore) && c.Issuer == leaf.Issuer.String()
	}
	if !shown {
		t.Errorf("server-1 does not show the certificate that was handed in: %+v", r.Cluster.Certificates)
	}
	for path, text := range contents(t, folder, paths.TLS) {
		if before[path] != text {
			t.Errorf("%s was changed", path)
		}
	}
	sum := finding.Summarize(r.Findings)
	if sum.Broken > 0 || sum.NotCarriedOut > 0 {
		for _, f := range r.Findings {
			if f.Verdict == finding.Broken || f.Verdict == finding.NotCarriedOut {
				t.Errorf("%s at %s is %s: %s", f.ID, f.Node, f.Verdict, f.Reason)
			}
		}
	}
	for _, id := range []string{"server-key-file-is-private", "client-key-file-is-private"} {
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.ID == id && f.Verdict == finding.Held }) {
			t.Errorf("%s did not hold", id)
		}
	}
}

// contents are all files below the folders.
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

// TestWithoutTheAuthoritysKey: with certificates whose authority's key is elsewhere, what needs no wrong certificate is tried
// all the same, and the rest says why it is not.
func TestWithoutTheAuthoritysKey(t *testing.T) {
	paths := pathsOf(t, copied(t, "hardened"))
	paths.TLS = tlsFolder(t)
	if err := os.Remove(filepath.Join(paths.TLS, pki.CAKeyFile)); err != nil {
		t.Fatal(err)
	}
	s, err := regress.Read(paths)
	if err != nil {
		t.Fatal(err)
	}
	r := judged(t, s)
	held, skipped := 0, 0
	for _, f := range r.Findings {
		switch {
		case f.Verdict == finding.Held:
			held++
		case f.Verdict == finding.Skipped && strings.Contains(f.Reason, "authority"):
			skipped++
		case f.Verdict == finding.Broken, f.Verdict == finding.NotCarriedOut:
			t.Errorf("%s at %s is %s: %s", f.ID, f.Node, f.Verdict, f.Reason)
		}
	}
	for _, id := range []string{
		"server-https-refuses-plaintext", "server-https-refuses-no-certificate", "client-https-refuses-no-certificate",
		"server-lets-nobody-register-jobs-without-token", "gossip-refuses-no-key", "server-has-its-peers",
	} {
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.ID == id && f.Verdict == finding.Held }) {
			t.Errorf("%s did not hold", id)
		}
	}
	if held < 100 || skipped == 0 {
		t.Errorf("%d held, %d skipped for want of the authority's key", held, skipped)
	}
}

// TestLoopbackIsTriedFromInside: an HTTP API that listens on a node's loopback alone is tried there. Its control is what
// holds of it.
func TestLoopbackIsTriedFromInside(t *testing.T) {
	r := judged(t, source(t, "loopback-http"))
	held := 0
	for _, f := range r.Findings {
		if f.Plane != string(probe.PlaneHTTP) {
			continue // a listener on the network hears nothing of loopback, and nobody there can be called back
		}
		if f.Verdict == finding.Held {
			held++
		}
		if f.Verdict == finding.NotCarriedOut {
			t.Errorf("%s at %s: %s", f.ID, f.Node, f.Reason)
		}
	}
	if held == 0 {
		t.Error("nothing of the HTTP API held, so it was not reached")
	}
}
