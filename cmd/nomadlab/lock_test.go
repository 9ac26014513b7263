package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/regress/lock"
)

// lockOfVersion1 is a lock that nomadlab wrote in version 1 of the format.
func lockOfVersion1(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../../lab/regress/lock/testdata/version-1.lock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestLockMigrate converts files in their place: one with a mode of its own, one behind a link, one of the present version,
// and, between them, one that is refused and stays as it is.
func TestLockMigrate(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	old := lockOfVersion1(t)
	edited := strings.Replace(old, "verdict: broken", "verdict: held", 1)
	for name, content := range map[string]string{"a": old, "edited": edited, "target": old, "no-lock": "server {}\n"} {
		if err := os.WriteFile(path(name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("target", path("link")); err != nil {
		t.Fatal(err)
	}
	a, _ := faked(t)
	r := call(t, a, "", "lock", "migrate", path("a"), path("edited"), path("no-lock"), path("none"), path("link"))
	if r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
	contains(t, r.out, path("a")+": converted", path("link")+": converted")
	contains(t, r.errs, "posture lock "+path("edited")+": it was edited by hand", "posture lock "+path("no-lock")+": ", path("none")+": no such file")
	for name, want := range map[string]string{"edited": edited, "no-lock": "server {}\n"} {
		if got, err := os.ReadFile(path(name)); err != nil || string(got) != want {
			t.Errorf("%s is another file now: %v", name, err)
		}
	}
	for _, name := range []string{"a", "target"} {
		content, err := os.ReadFile(path(name))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := lock.ReadLock(name, content); err != nil || len(p.Results) < 400 {
			t.Errorf("%s: %d results, %v", name, len(p.Results), err)
		}
		if info, err := os.Lstat(path(name)); err != nil || info.Mode() != 0o640 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if info, err := os.Lstat(path("link")); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is a %v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(path("a"))
	if err != nil {
		t.Fatal(err)
	}
	r = call(t, a, "", "lock", "migrate", path("a"))
	after, err := os.ReadFile(path("a"))
	if r.code != exitFine || !strings.Contains(r.out, "has the present version already") || err != nil || !bytes.Equal(before, after) {
		t.Errorf("again: exit code %d, %s, %v", r.code, r.out, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 5 {
		t.Errorf("the folder has %v, %v", left, err)
	}
}

// TestLockMigrateLosesNothing: where the new file cannot be put into its place, the old one stays and no part of the new one.
func TestLockMigrateLosesNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.MkdirAll(filepath.Join(folder, "lock", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(folder, "lock"), 0o600, []byte("new")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 || !left[0].IsDir() {
		t.Errorf("the folder has %v, %v", left, err)
	}
	if err := replaceFile(filepath.Join(folder, "none", "lock"), 0o600, []byte("new")); err == nil {
		t.Error("a file was written into a folder that is missing")
	}
	file := filepath.Join(folder, "file")
	if err := replaceFile(file, 0o600, []byte("new")); err != nil {
		t.Errorf("the control: %v", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "new" {
		t.Errorf("the control: %q, %v", content, err)
	}
}

// TestOldLocksNameTheMigration: check refuses a lock of version 1 before it starts anything, and says what to run. With
// --update too: a lock that is written anew is compared with the one before, so that no failure is accepted unseen.
func TestOldLocksNameTheMigration(t *testing.T) {
	at := filepath.Join(t.TempDir(), "posture.lock.yaml")
	if err := os.WriteFile(at, []byte(lockOfVersion1(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := faked(t)
	for _, more := range [][]string{nil, {"--update"}} {
		r := call(t, a, "", append([]string{"check", "--server-config", written(t, servers), "--lock", at}, more...)...)
		if r.code != exitUsage {
			t.Errorf("%v: exit code %d", more, r.code)
		}
		contains(t, r.errs, "run `nomadlab lock migrate "+at+"`")
		if kept, err := os.ReadFile(at); err != nil || string(kept) != lockOfVersion1(t) {
			t.Errorf("%v: the lock is another one now, %v", more, err)
		}
	}
}

// TestUpdateReplacesOnlyLocks: --update replaces no file that is no lock, such as a configuration, and starts nothing.
func TestUpdateReplacesOnlyLocks(t *testing.T) {
	at := written(t, servers)
	a, _ := faked(t)
	r := call(t, a, "", "check", "--server-config", written(t, servers), "--lock", at, "--update")
	if r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
	contains(t, r.errs, at+" is no lock file, and is not replaced")
	if kept, err := os.ReadFile(at); err != nil || string(kept) != servers {
		t.Errorf("the file is another one now, %v", err)
	}
}

// TestWrongUsageOfLock: the error names a subcommand that does not exist, and asks for a file name that is missing.
func TestWrongUsageOfLock(t *testing.T) {
	a, _ := faked(t)
	for args, says := range map[string]string{"lock migrate": "name the lock files", "lock migrat": `there is no command "migrat": did you mean migrate?`} {
		r := call(t, a, "", strings.Fields(args)...)
		if r.code != exitUsage {
			t.Errorf("%s: exit code %d", args, r.code)
		}
		contains(t, r.errs, says)
	}
	r := call(t, a, "", "lock", "migrate", "--help")
	if r.code != exitFine {
		t.Errorf("help: exit code %d", r.code)
	}
	contains(t, r.out, "nomadlab lock migrate posture.lock.yaml", "edited by hand")
}
