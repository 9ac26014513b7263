package folder_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"nomadlab.internal/lab/authority/folder"
)

// TestUnreadable: a file that this user may not read is named. The control is the same folder, read by its owner.
func TestUnreadable(t *testing.T) {
	root := newMaker(t).flat().write(t)
	for folder := root; folder != "/"; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 && info.Mode().Perm()&0o055 == 0 { // another user must reach the folder
			if err := os.Chmod(folder, info.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{serverCert, clientCert, clientKey, cliCert, cliKey, caCert} {
		if err := os.Chmod(filepath.Join(root, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustRead(t, root, requests()...)
	key := filepath.Join(root, serverKey)
	if err := os.Chmod(key, 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		// Root reads every file: this thread, which ends with the goroutine, has the rights of another user (setfsuid(2)).
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		}
		_, err := folder.Read(t.Context(), root, folder.Options{Requests: requests()})
		done <- err
	}()
	refused(t, <-done, key+" is unreadable (permission denied)", filepath.Join(root, serverCert)+" is a certificate whose private key is missing")
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRead(t, root, requests()...)
}
