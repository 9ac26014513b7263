// Package procfs reads what Linux's /proc says of processes: one look tells a process from a later one with the same number, and a
// signal goes to the very one that was seen. On another system there are no processes to see.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ID names one process, and never a later one with the same number.
type ID struct {
	// PID is its number.
	PID int
	// Started is when it started, in clock ticks since boot.
	Started uint64
}

// Process is what one look at a process says.
type Process struct {
	ID

	// Parent is the number of its parent.
	Parent int
	// State is a letter of proc_pid_stat(5).
	State byte
	// Status is how it has ended, once it has. Zero where /proc does not say.
	Status syscall.WaitStatus
}

// Look returns what /proc says of the process now, and false where there is none of that number. One that has ended is there
// until its parent has asked for it.
func Look(pid int) (Process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, false
	}
	// The name, in parentheses, may hold anything; after it come the state, which is the third field, the parent's
	// number, and as the 22nd and the 52nd the start time and the exit status (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const started, exited = 19, 49
	if len(fields) <= started {
		return Process{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	ticks, err2 := strconv.ParseUint(fields[started], 10, 64)
	p := Process{ID: ID{PID: pid, Started: ticks}, Parent: parent, State: fields[0][0]}
	if len(fields) > exited {
		status, _ := strconv.ParseUint(fields[exited], 10, 32)
		p.Status = syscall.WaitStatus(status)
	}
	return p, errors.Join(err1, err2) == nil
}

// User returns the real user of a process: a program that is setuid has another effective one, and the environment that its
// caller gave it. It is -1 where there is no such process.
func User(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Uid:" {
			if uid, err := strconv.Atoi(fields[1]); err == nil {
				return uid
			}
		}
	}
	return -1
}

// Ended reports whether the process has ended and is only waited for by its parent.
func (p Process) Ended() bool { return p.State == 'Z' || p.State == 'X' }

// Stopped reports whether the process was stopped by a signal and goes on with SIGCONT.
func (p Process) Stopped() bool { return p.State == 'T' }

// OlderThan reports whether p was started before the other; the clock is coarse.
func (p Process) OlderThan(other Process) bool {
	return p.Started < other.Started || p.Started == other.Started && p.PID < other.PID
}

// Now looks at the same process again. It returns false where that is gone.
func (p ID) Now() (Process, bool) {
	now, ok := Look(p.PID)
	return now, ok && now.Started == p.Started
}

// Alive reports whether the process is there and has not ended.
func (p ID) Alive() bool {
	now, there := p.Now()
	return there && !now.Ended()
}

// Signal sends a signal to p and to nothing else: the handle (a pidfd) is taken before the start time is compared. One that
// has ended is no error.
func (p ID) Signal(s os.Signal) error {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if !p.Alive() {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send process %d the signal %s: %w", p.PID, s, err)
	}
	return nil
}

// Environment returns the NAME=value entries that the process was started with. It returns none and no error for one that shows
// none: a program that may be run and not read never does, and no process does during execve(2).
func Environment(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), nil
}

// PIDs returns the numbers of all processes.
func PIDs() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// InheritedFiles returns the descriptors above one that this process was given by its own parent, such as a shell's lock file
// or the pipe of a process substitution: what Go opened is close-on-exec, what was inherited is not.
func InheritedFiles(above int) []int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var out []int
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= above {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			out = append(out, fd)
		}
	}
	return out
}

// Command returns the name of the program that a process runs, cut to 15 bytes. Empty where there is no such process.
func Command(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// Memory returns how many bytes of a process are in memory, and how many of these are backed by files, such as its program: the
// second and the third number of statm, in pages (proc_pid_statm(5)).
func Memory(pid int) (resident, fileBacked uint64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(data))
	if len(fields) < 3 {
		return 0, 0, fmt.Errorf("statm of process %d is %q", pid, data)
	}
	resident, err1 := strconv.ParseUint(fields[1], 10, 64)
	fileBacked, err2 := strconv.ParseUint(fields[2], 10, 64)
	page := uint64(os.Getpagesize())
	return resident * page, fileBacked * page, errors.Join(err1, err2)
}
