package image_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"nomadlab.internal/lab/image"
)

func TestCheckStatic(t *testing.T) {
	folder := t.TempDir()
	static := buildTestProgram(t, folder)
	good, err := os.ReadFile(static)
	if err != nil {
		t.Fatal(err)
	}
	// patched is the good binary with one byte of its ELF header changed.
	patched := func(name string, offset int, value byte) string {
		text := append([]byte(nil), good...)
		text[offset] = value
		return write(t, folder, name, text)
	}
	const osABI, machine, kind, interpreter = 7, 18, 16, 3
	firstProgram := int(good[32]) // e_phoff of a small file fits into a byte
	for name, c := range map[string]struct{ path, want string }{
		"control":      {static, ""},
		"other":        {patched("other", machine, 0xF7), "it is for EM_BPF"},
		"FreeBSD":      {patched("freebsd", osABI, 9), "ELFOSABI_FREEBSD"},
		"object file":  {patched("object", kind, 1), "not an executable"},
		"dynamic":      {patched("dynamic", firstProgram, interpreter), "linked dynamically"},
		"text":         {write(t, folder, "text", []byte("#!/bin/sh\n")), "not a Linux executable"},
		"empty":        {write(t, folder, "empty", nil), "not a Linux executable"},
		"not there":    {filepath.Join(folder, "none"), "no such file"},
		"not a file":   {folder, "is a directory"},
		"only a start": {write(t, folder, "start", good[:40]), "not a Linux executable"},
	} {
		err := image.CheckStatic(c.path, runtime.GOARCH)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestCheckSpace(t *testing.T) {
	folder := t.TempDir()
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		t.Fatal(err)
	}
	most := uint64(stat.Bavail) * uint64(stat.Bsize) / 10 * 6
	notYet := filepath.Join(folder, "not", "yet")
	if err := image.CheckSpace(image.SpaceNeed{Path: folder, Bytes: most}); err != nil {
		t.Errorf("control: %v", err)
	}
	if err := image.CheckSpace(image.SpaceNeed{Path: notYet, Bytes: most}); err != nil {
		t.Errorf("control, in a folder that is not there yet: %v", err)
	}
	err := image.CheckSpace(image.SpaceNeed{Path: folder, Bytes: most}, image.SpaceNeed{Path: notYet, Bytes: most})
	if !errors.Is(err, image.ErrNoSpace) || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "GB") ||
		!strings.HasSuffix(err.Error(), "Free some space, or name another") {
		t.Errorf("two needs that are too much together: %v", err)
	}
}

func TestOutOfSpace(t *testing.T) {
	full := image.OutOfSpace(errors.New("write x: no space left on device"), "/here")
	if !errors.Is(full, image.ErrNoSpace) || !strings.Contains(full.Error(), "/here") {
		t.Errorf("got %v", full)
	}
	if other := image.OutOfSpace(fs.ErrPermission, "/here"); errors.Is(other, image.ErrNoSpace) {
		t.Errorf("control: got %v", other)
	}
}

func TestTranscript(t *testing.T) {
	packages, downloads, quote := image.ReadTranscript("go: downloading a v1\ngo: down", "loading b v1\nfmt\ngithub.com/x/", "y\n# x/z\n", "z.go:1:2: undefined: q")
	if packages != 2 || downloads != 2 {
		t.Errorf("%d packages and %d downloads, want 2 and 2", packages, downloads)
	}
	if diff := cmp.Diff("\n  # x/z\n  z.go:1:2: undefined: q", quote); diff != "" {
		t.Errorf("quote (-want +got):\n%s", diff)
	}
	var lines []string
	for i := range 50 {
		lines = append(lines, fmt.Sprintf("line %d\n", i))
	}
	_, _, quote = image.ReadTranscript(lines...)
	if got := strings.Split(strings.TrimSpace(quote), "\n"); len(got) != 20 || !strings.Contains(got[19], "line 49") {
		t.Errorf("of 50 lines it keeps %d: %q", len(got), got)
	}
	if _, _, quote := image.ReadTranscript("fmt\n"); quote != "" {
		t.Errorf("nothing to quote, and yet: %q", quote)
	}
}
