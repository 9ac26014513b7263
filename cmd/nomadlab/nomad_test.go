package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/engines"
)

const job = `job "j" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config { command = "/bin/true" }
    }
  }
}
`

func tryNomad(t *testing.T, u user, name string) {
	contains(t, u.must(t, "nomad", name, "--", "server", "members"), "server-1.global", "alive")
	here := user{engine: u.engine, folder: t.TempDir()}
	if err := os.WriteFile(filepath.Join(here.folder, "web.nomad.hcl"), []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, here.must(t, "nomad", "--lab", name, "--", "job", "validate", "./web.nomad.hcl"), "Job validation successful")
	tryFilesAnywhere(t, u, name)
	tryWriting(t, u, here, name)
	if r := u.call(t, job, "nomad", name, "--", "job", "validate", "-"); r.code != exitFine {
		t.Errorf("a job on standard input: %+v", r)
	}
	if r := here.call(t, "", "nomad", name, "--", "job", "validate", "./gone.nomad.hcl"); r.code != 1 || strings.Contains(r.errs, "nomadlab:") {
		t.Errorf("a file that does not exist: %+v", r)
	}
}

// tryWriting: a command that writes a file does so in the user's folder, or is denied it and says what to do. The control is one
// that fails for another reason, of which nothing is said.
func tryWriting(t *testing.T, u, here user, name string) {
	const hint = "With a nomad of your own"
	r := here.call(t, "", "nomad", name, "--", "operator", "snapshot", "save", "saved.snap")
	_, lost := os.Stat(filepath.Join(here.folder, "saved.snap"))
	if contained := u.engine == engines.Docker; strings.Contains(r.errs, hint) != contained || (lost == nil) == contained || (r.code == exitFine) == contained {
		t.Errorf("a snapshot: %+v, the file: %v", r, lost)
	}
	if r := here.call(t, "", "nomad", name, "--", "job", "status", "none"); r.code == exitFine || strings.Contains(r.errs, hint) {
		t.Errorf("no such job: %+v", r)
	}
}

// tryFilesAnywhere names files by every kind of path, below a folder that is closed to the CLI's user in the image.
func tryFilesAnywhere(t *testing.T, u user, name string) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(home, "nomadlab-test-"+name) // root's home is /root, which is closed in the image
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(closed) }()
	at := filepath.Join(closed, "web.nomad.hcl")
	if err := os.WriteFile(at, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, u.must(t, "nomad", name, "--", "job", "validate", at), "Job validation successful")
	sub := filepath.Join(closed, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	there := user{engine: u.engine, folder: sub}
	contains(t, there.must(t, "nomad", name, "--", "job", "validate", "../web.nomad.hcl"), "Job validation successful")
	contains(t, there.must(t, "nomad", name, "--", "server", "members"), "alive")
}
