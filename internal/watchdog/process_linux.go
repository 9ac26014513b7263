package watchdog

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/poll"
)

// endPoll is how often a process is looked at where the kernel cannot tell of its end.
const endPoll = 250 * time.Millisecond

// process is one process, never a later one with the same number.
type process struct{ procfs.ID }

// identify returns false where there is no such process, or only what its parent has not yet collected.
func identify(pid int) (process, bool) {
	p, there := procfs.Look(pid)
	return process{p.ID}, there && !p.Ended()
}

func (p process) kill() error { return p.Signal(os.Kill) }

// ended is closed when p has ended.
func (p process) ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if pidfd, err := unix.PidfdOpen(p.PID, 0); err == nil {
			defer func() { _ = unix.Close(pidfd) }()
			if !p.Alive() || awaitReadable(pidfd) == nil {
				return
			}
		}
		// Linux before 5.3, or a seccomp profile that forbids pidfd_open.
		_ = poll.Every(context.Background(), endPoll, func() bool { return !p.Alive() })
	}()
	return ended
}

// awaitReadable returns when the process of a pidfd has ended (pidfd_open(2)).
func awaitReadable(fd int) error {
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if ready > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return err
		}
	}
}

// goCommand returns the go command that runs this process, where there is one.
func goCommand() *process {
	pid := os.Getppid()
	if procfs.Command(pid) != "go" {
		return nil
	}
	if parent, ok := identify(pid); ok {
		return &parent
	}
	return nil
}
