package reader_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/certificate/reader"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

const password = "correct horse"

// write writes a file below a folder.
func write(t *testing.T, folder, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func issued(t *testing.T) pki.Credential {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(pki.Identity{Role: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pfx makes a PKCS#12 file of a credential.
func pfx(t *testing.T, c pki.Credential, path string) {
	t.Helper()
	folder := t.TempDir()
	write(t, folder, "c", c.CertPEM)
	write(t, folder, "k", c.KeyPEM)
	write(t, folder, "p", []byte(password))
	cmd := exec.CommandContext(t.Context(), "openssl", "pkcs12", "-export", "-in", "c", "-inkey", "k", "-passout", "file:p", "-out", path)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestFile: what a user names wrongly is refused with an error of its kind, and the file is named; the right file is read.
func TestFile(t *testing.T) {
	folder, c := t.TempDir(), issued(t)
	sound, bundle := write(t, folder, "sound.pem", c.CertPEM), filepath.Join(folder, "x.pfx")
	pfx(t, c, bundle)
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, password string
		want           error
	}{
		{sound, "", nil},
		{bundle, password, nil},
		{bundle, "", reader.ErrPassword},
		{bundle, "wrong", reader.ErrPassword},
		{write(t, folder, "cut.pfx", []byte{0x30, 0x03, 0x02, 0x01}), "", reader.ErrNothing},
		{filepath.Join(folder, "none"), "", reader.ErrUnreadable},
		{pipe, "", reader.ErrUnreadable},
		{write(t, folder, "text", []byte("hello")), "", reader.ErrNothing},
		{write(t, folder, "empty", nil), "", reader.ErrNothing},
	} {
		i, err := reader.File(test.path, test.password)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.path, err, test.want)
		}
		if err != nil && (!errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), test.path) || strings.Contains(err.Error(), password)) {
			t.Errorf("%s: %v must name the file, be the user's to put right, and show no password", test.path, err)
		}
		if test.want == nil && (len(i.Certificates) != 1 || i.Mode.Perm() != 0o600) {
			t.Errorf("%s: %+v", test.path, i)
		}
	}
}

// TestFolder reads a folder and what is below it, passes over other files, and keeps those that it cannot open.
func TestFolder(t *testing.T) {
	folder, c := t.TempDir(), issued(t)
	write(t, folder, "a/cert.pem", c.CertPEM)
	write(t, folder, "a/key.pem", c.KeyPEM)
	write(t, folder, "b.log", []byte("a log"))
	write(t, folder, "c/d/ca.pem", c.CAPEM)
	pfx(t, c, filepath.Join(folder, "e.pfx"))
	if err := errors.Join(os.Symlink("nowhere", filepath.Join(folder, "f")), syscall.Mkfifo(filepath.Join(folder, "g"), 0o600)); err != nil {
		t.Fatal(err)
	}
	places := func(all []certificate.Input) (names []string) {
		for _, i := range all {
			name, _ := filepath.Rel(folder, i.Place)
			if i.Unread != "" {
				name += " unread"
			}
			names = append(names, name)
		}
		return names
	}
	all, err := reader.Folder(t.Context(), folder, "")
	if want := []string{"a/cert.pem", "a/key.pem", "c/d/ca.pem", "e.pfx unread"}; err != nil || !slices.Equal(places(all), want) {
		t.Errorf("%q, %v; want %q", places(all), err, want)
	}
	all, err = reader.Folder(t.Context(), folder, password)
	if want := []string{"a/cert.pem", "a/key.pem", "c/d/ca.pem", "e.pfx"}; err != nil || !slices.Equal(places(all), want) {
		t.Errorf("with the password: %q, %v; want %q", places(all), err, want)
	}
	if _, err := reader.Folder(t.Context(), t.TempDir(), ""); !errors.Is(err, reader.ErrNothing) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := reader.Folder(t.Context(), filepath.Join(folder, "none"), ""); !errors.Is(err, reader.ErrUnreadable) {
		t.Errorf("no folder: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reader.Folder(ended, folder, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt: %v", err)
	}
}

// TestPassword reads the first line, whatever its end.
func TestPassword(t *testing.T) {
	folder := t.TempDir()
	for text, want := range map[string]string{password: password, password + "\n": password, password + "\r\nmore\n": password, "": ""} {
		if got, err := reader.Password(t.Context(), write(t, folder, "p", []byte(text))); err != nil || got != want {
			t.Errorf("%q gives %q, %v", text, got, err)
		}
	}
	if got, err := reader.Password(t.Context(), ""); err != nil || got != "" {
		t.Errorf("no file: %q, %v", got, err)
	}
	if _, err := reader.Password(t.Context(), filepath.Join(folder, "none")); !errors.Is(err, reader.ErrUnreadable) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestAuthorities refuses a file without certificates, and reads one with them.
func TestAuthorities(t *testing.T) {
	folder, c := t.TempDir(), issued(t)
	ca, key := write(t, folder, "ca.pem", c.CAPEM), write(t, folder, "key.pem", c.KeyPEM)
	all, err := reader.Authorities(ca)
	if err != nil || len(reader.Trusted(all)) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := reader.Authorities(ca, key); !errors.Is(err, reader.ErrNothing) {
		t.Errorf("a key: %v", err)
	}
}

// TestFolderNamesWhatIsTooBig: a file named as one of certificates that is too big to be read is said to be so. A log that is as big
// is passed over.
func TestFolderNamesWhatIsTooBig(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"bundle.pem", "agent.log"} {
		if err := os.WriteFile(filepath.Join(folder, name), make([]byte, 1<<18), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := reader.Folder(t.Context(), folder, "")
	if err != nil || len(all) != 1 || filepath.Base(all[0].Place) != "bundle.pem" || !strings.Contains(all[0].Unread, "bytes") {
		t.Errorf("%+v, %v", all, err)
	}
}
