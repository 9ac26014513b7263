package tlsfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/internal/tlsfile"
)

// TestPaths: links are followed, once each, and what cannot be listed is said beside what can.
func TestPaths(t *testing.T) {
	t.Parallel()
	root, away := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(root, "a", "1"), filepath.Join(root, "b"), filepath.Join(away, "2")} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	list := func(folder string) string {
		paths, errs := tlsfile.Paths(folder)
		for i, path := range paths {
			paths[i] = strings.TrimPrefix(path, folder+"/")
		}
		for _, err := range errs {
			failed, is := errors.AsType[*fs.PathError](err)
			if !is {
				t.Fatal(err)
			}
			paths = append(paths, "not "+filepath.Base(failed.Path))
		}
		return strings.Join(paths, " ")
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(root); got != "a/1 b" {
		t.Errorf("got %q", got)
	}
	link(root, "a/circle")
	link(away, "c")
	link(filepath.Join(root, "none"), "d")
	link(filepath.Join(root, "e"), "e")
	if got := list(root); got != "a/1 b c/2 not d not e" {
		t.Errorf("with links: got %q", got)
	}
	if got := list(filepath.Join(root, "c")); got != "2" {
		t.Errorf("a link to a folder: got %q", got)
	}
	if got := list(filepath.Join(root, "none")); got != "not none" {
		t.Errorf("no folder: got %q", got)
	}
}

// TestPathsEnd: a folder with too many files is listed up to the limit, and said to have more.
func TestPathsEnd(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range tlsfile.Most {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if paths, errs := tlsfile.Paths(root); len(paths) != tlsfile.Most || len(errs) > 0 {
		t.Errorf("as many as are listed: %d, %v", len(paths), errs)
	}
	if err := os.WriteFile(filepath.Join(root, "more"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if paths, errs := tlsfile.Paths(root); len(paths) != tlsfile.Most || !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, tlsfile.ErrTooMany) }) {
		t.Errorf("one more: %d, %v", len(paths), errs)
	}
}

// TestSame: a link and its file are one, two files with the same text are not.
func TestSame(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	if err := errors.Join(os.WriteFile(at("a"), nil, 0o600), os.WriteFile(at("b"), nil, 0o600), os.Symlink("a", at("c"))); err != nil {
		t.Fatal(err)
	}
	for pair, want := range map[[2]string]bool{{"a", "a"}: true, {"a", "c"}: true, {"a", "b"}: false, {"a", "none"}: false, {"none", "a"}: false, {"none", "none"}: true} {
		if got := tlsfile.Same(at(pair[0]), at(pair[1])); got != want {
			t.Errorf("%v: got %t", pair, got)
		}
	}
}
