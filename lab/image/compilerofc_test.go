package image_test

import (
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"nomadlab.internal/lab/image"
)

// TestRecipeThatCompilesC: a recipe with cgo is refused at once where there is no C compiler, or none that links statically, and is
// built where there is one.
func TestRecipeThatCompilesC(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Fatalf("this test needs gcc and libc6-dev: %v", err)
	}
	broken := write(t, t.TempDir(), "compiler", []byte("#!/bin/sh\necho 'cannot find -lc' >&2\nexit 1\n"))
	for name, c := range map[string]struct {
		compiler string
		words    []string // of the refusal. Nil: it is built
	}{
		"gcc":                     {"gcc", nil},
		"gcc with arguments":      {"gcc -O1", nil},
		"no compiler":             {"nomadlab-no-such-compiler", []string{"there is no nomadlab-no-such-compiler in PATH", "apt-get install gcc libc6-dev", "--nomad-binary"}},
		"a compiler without libc": {broken, []string{"cannot make an empty program", "cannot find -lc", "libc6-dev"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recipe := newTestRecipe(t, withC(testSource(version)), true)
			text := recipe.recipes.(fstest.MapFS)["images/nomad/"+version+"/recipe.json"]
			text.Data = []byte(strings.NewReplacer("CGO_ENABLED=0", "CGO_ENABLED=1", `"-trimpath"`, `"-ldflags=-linkmode external -extldflags \"-static\""`).
				Replace(string(text.Data)))
			l := newBuilder(t, recipe)
			e, seen, err := l.binary(t.Context(), image.Request{Version: version, Environment: append(recipe.environment, "CC="+c.compiler)})
			if c.words == nil {
				if err != nil || e.Version != version || e.Source != image.Built {
					t.Errorf("got %+v (%v)", e, err)
				}
				return
			}
			wants(t, err, image.ErrNoC, c.words...)
			if strings.Contains(seen.String(), "build") {
				t.Errorf("it was built first: %s", seen)
			}
			l.wantNoWork(t)
		})
	}
}

// withC returns the source of a program with a function of C in it.
func withC(source string) string {
	return strings.Replace(source, "import \"os\"", "// int one(void) { return 1; }\nimport \"C\"\n\nimport \"os\"\n\nvar _ = C.one()", 1)
}
