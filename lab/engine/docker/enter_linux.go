package docker

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// within does something in another network, which the file stands for. Only what is done in the same goroutine is done
// there; a connection that was made there stays there.
func within(network string, do func() error) error {
	file, err := os.Open(network)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked, and so ends with the goroutine: no other will find itself in that network.
		runtime.LockOSThread()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}
