package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	if r := u.call(t, job, "nomad", name, "--", "job", "validate", "-"); r.code != exitFine {
		t.Errorf("a job on standard input: %+v", r)
	}
	if r := here.call(t, "", "nomad", name, "--", "job", "validate", "./gone.nomad.hcl"); r.code != 1 || strings.Contains(r.errs, "nomadlab:") {
		t.Errorf("a file that does not exist: %+v", r)
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
