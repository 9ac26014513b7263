package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
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

// tryWriting runs a command that writes a file: it does so in the user's folder, or is denied and the advice is printed. The
// control fails for another reason, without the advice.
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

func TestFilesThatArgumentsName(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	web, vars, far := filepath.Join(folder, "web.hcl"), filepath.Join(folder, "sub", "vars.hcl"), filepath.Join(elsewhere, "far.hcl")
	for _, at := range []string{web, vars, far} {
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(filepath.Base(at)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up, err := filepath.Rel(folder, far)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		// want are the files, become the arguments, nil where they stay as they are.
		want, become []string
	}{
		{"none", []string{"server", "members"}, nil, nil},
		{"relative", []string{"job", "run", "web.hcl"}, []string{web}, nil},
		{"with a dot", []string{"job", "run", "./web.hcl"}, []string{web}, nil},
		{"with two dots", []string{"job", "run", up}, []string{far}, nil},
		{"absolute", []string{"job", "run", far}, []string{far}, []string{"job", "run", "/copied" + far}},
		{"value of a flag", []string{"job", "run", "-var-file=sub/vars.hcl", "web.hcl"}, []string{vars, web}, nil},
		{"absolute value of a flag", []string{"-var-file=" + vars, "-x"}, []string{vars}, []string{"-var-file=/copied" + vars, "-x"}},
		{"value of a flag, apart", []string{"job", "run", "-var-file", "sub/vars.hcl"}, []string{vars}, nil},
		{"with an at sign", []string{"var", "put", "@web.hcl"}, []string{web}, nil},
		{"absolute with an at sign", []string{"@" + web, "-x=@" + web}, []string{web}, []string{"@/copied" + web, "-x=@/copied" + web}},
		{"twice", []string{"web.hcl", "./web.hcl", web}, []string{web}, []string{"web.hcl", "./web.hcl", "/copied" + web}},
		{"standard input", []string{"job", "run", "-"}, nil, nil},
		{"folder", []string{"job", "run", "sub", folder}, nil, nil},
		{"missing", []string{"job", "run", "gone.hcl", "/gone.hcl"}, nil, nil},
		{"flag like a file", []string{"-web.hcl"}, nil, nil},
		{"empty", []string{"", "-x="}, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call, err := withFiles(lab.Call{Args: test.args, Folder: folder})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range call.Files {
				got = append(got, f.Path)
				if string(f.Data) != filepath.Base(f.Path) {
					t.Errorf("%s holds %q", f.Path, f.Data)
				}
			}
			var want []string
			for _, at := range test.want {
				want = append(want, below(at))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files -want +got:\n%s", diff)
			}
			if test.become == nil {
				test.become = test.args
			}
			if diff := cmp.Diff(test.become, call.Args); diff != "" {
				t.Errorf("arguments -want +got:\n%s", diff)
			}
		})
	}
}
