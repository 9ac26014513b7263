package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
)

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
			call, err := takeAlong(lab.Call{Args: test.args, Folder: folder})
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
