//go:build linux

package watchdog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/watchdog"
)

// TestFolderWithMounts: a removal leaves what is mounted into a lab's folder. Only root can mount, so a removal by any other
// user meets no mount.
func TestFolderWithMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: nothing can be mounted")
		return
	}
	precious, folder := t.TempDir(), filepath.Join(t.TempDir(), "lab folder")
	must(t, os.WriteFile(filepath.Join(precious, "file"), nil, 0o600))
	must(t, os.MkdirAll(filepath.Join(folder, "bind"), 0o700))
	mounter := again("mounter", scriptName+"="+precious+":"+folder)
	mounter.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if out, err := mounter.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Lstat(filepath.Join(precious, "file")); err != nil {
		t.Errorf("the file behind the mount: %v", err)
	}
}

// playMounter runs in a mount namespace of its own.
func playMounter(ctx context.Context) error {
	precious, folder, _ := strings.Cut(os.Getenv(scriptName), ":")
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	bind := filepath.Join(folder, "bind")
	if err := unix.Mount(precious, bind, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(bind, "file")); err != nil {
		return fmt.Errorf("the mount is not there, so this proves nothing: %w", err)
	}
	if _, err := watchdog.Sweep(ctx, watchdog.Target{Folders: []string{folder}}); err != nil {
		return err
	}
	if _, err := os.Lstat(folder); err == nil {
		return errors.New("the folder is still there")
	}
	return nil
}
