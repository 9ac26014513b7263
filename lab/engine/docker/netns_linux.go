package docker

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNetworkNamespace calls a function in the network namespace of a file, and returns its error. Only what the function
// does in its own goroutine happens there; a connection that it makes stays in that namespace.
func inNetworkNamespace(path string, do func() error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	done := make(chan error, 1)
	go func() {
		// The thread stays locked and so ends with the goroutine: no other goroutine ever runs in that namespace.
		runtime.LockOSThread()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}
