package userfile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nomadlab.internal/internal/userfile"
)

// TestRead: what has no end or keeps its reader waiting is refused at once, beside the same in a file, which is read.
func TestRead(t *testing.T) {
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
			text, err := userfile.Read(at)
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
			if ours := strings.Contains(want, "regular") || strings.Contains(want, "more"); ours != errors.Is(err, userfile.ErrLimit) {
				t.Errorf("%s: told as a limit of nomadlab: %t: %v", at, !ours, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s is waited for", at)
		}
	}
}

// TestWait: a pipe is read until its writer closes it, or until the run ends. A file without an end is refused.
func TestWait(t *testing.T) {
	folder := t.TempDir()
	pipe, unwritten := filepath.Join(folder, "pipe"), filepath.Join(folder, "unwritten")
	for _, at := range []string{pipe, unwritten} {
		if err := syscall.Mkfifo(at, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	end(interrupted)
	if _, err := userfile.ReadAny(ended, unwritten); !errors.Is(err, interrupted) {
		t.Errorf("a pipe without a writer: got %v", err)
	}
	if _, err := userfile.ReadFrom(ended, "standard input", reader(func() { <-t.Context().Done() })); !errors.Is(err, interrupted) {
		t.Errorf("a terminal at which nobody types: got %v", err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(pipe, []byte("secret"), 0) }()
	text, err := userfile.ReadAny(t.Context(), pipe)
	if err := errors.Join(err, <-wrote); err != nil || string(text) != "secret" {
		t.Errorf("a pipe that has a writer: got %q, %v", text, err)
	}
	if _, err := userfile.ReadAny(t.Context(), "/dev/zero"); !errors.Is(err, userfile.ErrLimit) {
		t.Errorf("a device without an end: got %v", err)
	}
	if _, err := userfile.ReadAny(t.Context(), pipe+"-none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

// reader does something before it gives its end.
type reader func()

func (r reader) Read([]byte) (int, error) {
	r()
	return 0, io.EOF
}
