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
)

const (
	// endPoll is how often a process is looked at where the kernel cannot tell of its end.
	endPoll = 250 * time.Millisecond
	// lookEvery is the pause between two looks at all processes: short, to catch up with a chain of processes, each of
	// which starts the next.
	lookEvery = time.Millisecond
	// unseen is how long a process may go without an environment to look at: during execve(2) the kernel shows none
	// (environ_read in fs/proc/base.c).
	unseen = 10 * time.Millisecond
)

// process is one process, never a later one with the same number.
type process struct {
	PID     int
	Started uint64 // clock ticks since boot
}

// identify returns false where there is no such process, or only what its parent has not yet collected.
func identify(pid int) (process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// The name, in parentheses, may hold spaces and parentheses itself; state is the third field, start time the 22nd
	// (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	return process{PID: pid, Started: started}, err == nil
}

func (p process) alive() bool {
	now, ok := identify(p.PID)
	return ok && now == p
}

// kill ends p and nothing else: the handle (a pidfd) is taken before the start time is compared.
func (p process) kill() error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if !p.alive() {
		return nil
	}
	if err := handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
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
		ticker := time.NewTicker(endPoll)
		defer ticker.Stop()
		for p.alive() {
			<-ticker.C
		}
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

// killMarked kills until no look at all processes finds one for a while: a marked process may fork while it is being
// killed.
func killMarked(ctx context.Context, marker string) (int, error) {
	found := map[process]bool{}
	last := time.Now()
	err := retry(ctx, lookEvery, func() (bool, error) {
		marked, err := killOnce(marker)
		for _, p := range marked {
			found[p] = true
			last = time.Now()
		}
		return time.Since(last) > unseen, err
	})
	if err != nil {
		return len(found), fmt.Errorf("kill processes marked %s: %w", marker, err)
	}
	return len(found), nil
}

// killOnce leaves out this process and its parent, and those that we may not look into: they are not ours. It kills each
// as soon as it is seen, to leave it no time to fork.
func killOnce(marker string) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var marked []process
	var failed []error
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() || pid == os.Getppid() {
			continue
		}
		if p, ok := identify(pid); ok && p.bears(marker) {
			marked = append(marked, p)
			failed = append(failed, p.kill())
		}
	}
	return marked, errors.Join(failed...)
}

func (p process) bears(marker string) bool {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if string(entry) == marker {
			return true
		}
	}
	return false
}
