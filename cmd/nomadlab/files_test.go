package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesThatArgumentsName(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	for _, at := range []string{filepath.Join(folder, "web.hcl"), filepath.Join(folder, "sub", "vars.hcl"), filepath.Join(elsewhere, "far.hcl")} {
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(filepath.Base(at)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	web, vars, far := filepath.Join(folder, "web.hcl"), filepath.Join(folder, "sub", "vars.hcl"), filepath.Join(elsewhere, "far.hcl")
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"none", []string{"server", "members"}, nil},
		{"relative", []string{"job", "run", "web.hcl"}, []string{web}},
		{"with a dot", []string{"job", "run", "./web.hcl"}, []string{web}},
		{"absolute", []string{"job", "run", far}, []string{far}},
		{"value of a flag", []string{"job", "run", "-var-file=sub/vars.hcl", "web.hcl"}, []string{vars, web}},
		{"value of a flag, apart", []string{"job", "run", "-var-file", "sub/vars.hcl"}, []string{vars}},
		{"with an at sign", []string{"var", "put", "@web.hcl"}, []string{web}},
		{"twice", []string{"web.hcl", "./web.hcl", web}, []string{web}},
		{"standard input", []string{"job", "run", "-"}, nil},
		{"folder", []string{"job", "run", "sub"}, nil},
		{"missing", []string{"job", "run", "gone.hcl"}, nil},
		{"flag like a file", []string{"-web.hcl"}, nil},
		{"empty", []string{"", "-x="}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, err := namedFiles(folder, test.args)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				got = append(got, f.Path)
				if string(f.Data) != filepath.Base(f.Path) {
					t.Errorf("%s holds %q", f.Path, f.Data)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
