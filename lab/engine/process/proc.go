package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nomadlab.internal/lab/poll"
)

// endEvery is how often a process that is to end is looked at.
const endEvery = 2 * time.Millisecond

// collectWithin bounds how long an ended process is waited for until its parent has asked for its exit code.
const collectWithin = 2 * time.Second

// proc is what /proc says of one process, never of a later one with the same number.
type proc struct {
	pid    int
	ticks  uint64 // when it started, in clock ticks since boot
	parent int
	state  byte
	status syscall.WaitStatus // once it has ended
}

// look returns false where there is no such process. One that has ended is there until its parent has asked for it.
func look(pid int) (proc, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	// The name, in parentheses, may hold anything; after it come the state, which is the third field, the parent's
	// number, and as the 22nd and the 52nd the start time and the exit status (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 50 {
		return proc{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	ticks, err2 := strconv.ParseUint(fields[19], 10, 64)
	status, err3 := strconv.ParseUint(fields[49], 10, 32)
	p := proc{pid: pid, ticks: ticks, parent: parent, state: fields[0][0], status: syscall.WaitStatus(status)}
	return p, errors.Join(err1, err2, err3) == nil
}

// userOf is the real user of a process: a program that is setuid has another effective one, and the environment that its
// caller gave it. It is -1 where there is no such process.
func userOf(pid int) int {
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

func (p proc) ended() bool { return p.state == 'Z' || p.state == 'X' }

// halted is true for a process that was stopped by a signal and goes on with SIGCONT.
func (p proc) halted() bool { return p.state == 'T' }

// olderThan is true where p was started first; the clock is coarse.
func (p proc) olderThan(other proc) bool {
	return p.ticks < other.ticks || p.ticks == other.ticks && p.pid < other.pid
}

// now is the same process as it is now.
func (p proc) now() (proc, bool) {
	now, ok := look(p.pid)
	return now, ok && now.ticks == p.ticks
}

// code is the exit code as a shell and Docker give it: of a process that a signal ended, 128 and the signal's number.
func code(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// signal goes to p and to nothing else: the handle (a pidfd) is taken before the start time is compared.
func (p proc) signal(s os.Signal) error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.pid, err)
	}
	defer func() { _ = handle.Release() }()
	if now, ok := p.now(); !ok || now.ended() {
		return nil
	}
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send process %d %s: %w", p.pid, s, err)
	}
	return nil
}

// awaitEnd returns when p has ended or the time is over.
func (p proc) awaitEnd(ctx context.Context, within time.Duration) error {
	return until(ctx, within, func() bool {
		now, ok := p.now()
		return !ok || now.ended()
	})
}

// awaitCollected returns when an ended process is no longer listed by the kernel. It does not wait for one that was left to
// the init process, which in a container may never ask for it.
func (p proc) awaitCollected(ctx context.Context) {
	_ = until(ctx, collectWithin, func() bool {
		now, ok := p.now()
		return !ok || now.parent == 1
	})
}

// until polls a condition until it holds or the time is over. The error is that of ctx.
func until(ctx context.Context, within time.Duration, condition func() bool) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if poll.Every(limited, endEvery, condition) == nil {
		return nil
	}
	return ctx.Err()
}
