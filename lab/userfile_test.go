package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/lab"
)

// TestReadUserFile: what has no end or keeps its reader waiting is refused at once, beside the same in a file, which is read.
func TestReadUserFile(t *testing.T) {
	folder := t.TempDir()
	file, pipe, large := filepath.Join(folder, "file"), filepath.Join(folder, "pipe"), filepath.Join(folder, "large")
	for at, size := range map[string]int{file: 10, large: 5 << 20} {
		if err := os.WriteFile(at, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		file: "", link: "", pipe: "is no regular file", "/dev/zero": "is no regular file", large: "has more than 4 MB", folder: "is a folder",
		filepath.Join(folder, "none"): "no such file",
	} {
		done := make(chan error, 1)
		go func() {
			text, err := lab.ReadUserFile(at)
			if err == nil && len(text) != 10 {
				err = errors.New("it is not what the file has")
			}
			done <- err
		}()
		select {
		case err := <-done:
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", at, err, want)
			}
			if ours := strings.Contains(want, "regular") || strings.Contains(want, "more"); ours != errors.Is(err, lab.ErrUserFile) {
				t.Errorf("%s: told as a limit of nomadlab: %t: %v", at, !ours, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s is waited for", at)
		}
	}
}

// TestDocumentsThatGrow: a lab's file that would take all memory or the whole stack is refused, with its line, and takes little
// of either. The control of each is one of the same kind that is read.
func TestDocumentsThatGrow(t *testing.T) {
	aliases := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for _, n := range "bcdefghij" {
		aliases += string(n) + ": &" + string(n) + " [" + strings.Repeat("*"+string(n-1)+", ", 9) + "]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases":          {aliases, "line 1: &: anchors and aliases are not read"},
		"brackets":         {"name: " + strings.Repeat("[", 500_000), "line 1: nested more than 50 times"},
		"braces":           {"name:\n  " + strings.Repeat("{a: ", 200_000), "line 2: nested more than 50 times"},
		"lists in a line":  {strings.Repeat("- ", 400_000) + "a", "line 1: nested more than 50 times"},
		"keys in a line":   {strings.Repeat("? ", 400_000) + "a", "line 1: nested more than 50 times"},
		"white space":      {"a:\n" + strings.Repeat(" ", 2000) + "b: 1", "line 2: nested more than 50 times"},
		"a large document": {"# " + strings.Repeat("x", 2<<20), "more than 1 MB of YAML"},
		"a small one":      {"name: demo # & * [ [ -- {\nregions: [{servers: 3}]\n# ------ -------\n", ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := lab.DecodeDocument(t.Context(), strings.NewReader(c.text))
		runtime.ReadMemStats(&after)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, lab.ErrInvalid)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
			t.Errorf("%s took %d MB", name, took>>20)
		}
	}
}
