package watchdog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nomadlab.internal/lab/poll"
)

// endPoll is how often a process is looked at where the kernel cannot tell of its end.
const endPoll = 250 * time.Millisecond

// process is one process, never a later one with the same number.
type process struct {
	PID     int
	Started uint64 // clock ticks since boot
}

// sighting is what one look at a process tells.
type sighting struct {
	process
	parent int
	state  string // a letter of proc_pid_stat(5)
}

// ended is true for what its parent has not yet collected.
func (s sighting) ended() bool { return s.state == "Z" || s.state == "X" }

// look returns false where there is no such process.
func look(pid int) (sighting, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return sighting{}, false
	}
	// The name, in parentheses, may hold spaces and parentheses itself; state is the third field, the parent the fourth,
	// start time the 22nd (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return sighting{}, false
	}
	parent, noParent := strconv.Atoi(fields[1])
	started, noStart := strconv.ParseUint(fields[19], 10, 64)
	return sighting{process{PID: pid, Started: started}, parent, fields[0]}, noParent == nil && noStart == nil
}

// identify returns false where there is no such process, or only what its parent has not yet collected.
func identify(pid int) (process, bool) {
	s, ok := look(pid)
	return s.process, ok && !s.ended()
}

func (p process) alive() bool {
	now, ok := identify(p.PID)
	return ok && now == p
}

func (p process) kill() error { return p.signal(os.Kill) }

// signal goes to p and to nothing else: the handle (a pidfd) is taken before the start time is compared.
func (p process) signal(s os.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if !p.alive() {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send process %d the signal %s: %w", p.PID, s, err)
	}
	return nil
}

// ended is closed when p has ended.
func (p process) ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if pidfd, err := unix.PidfdOpen(p.PID, 0); err == nil {
			defer func() { _ = unix.Close(pidfd) }()
			if !p.alive() || awaitReadable(pidfd) == nil {
				return
			}
		}
		// Linux before 5.3, or a seccomp profile that forbids pidfd_open.
		_ = poll.Every(context.Background(), endPoll, func() bool { return !p.alive() })
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
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return nil
	}
	if parent, ok := identify(pid); ok {
		return &parent
	}
	return nil
}
