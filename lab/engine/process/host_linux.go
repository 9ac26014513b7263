package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/procfs"
)

// missingPowers are the capabilities that root needs for agents of another user and lacks, in a container say: to give
// them files and an account, to end them, and to read their environment.
func missingPowers() []string {
	powers := []struct {
		bit  int
		name string
	}{
		{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {unix.CAP_FOWNER, "CAP_FOWNER"},
		{unix.CAP_KILL, "CAP_KILL"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_SETUID, "CAP_SETUID"},
		{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
	}
	var have [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &have[0]); err != nil {
		return []string{err.Error()}
	}
	var missing []string
	for _, p := range powers {
		if have[0].Effective&(1<<p.bit) == 0 {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// awaitChild returns when a child has ended, and leaves it for Wait: until then the kernel tells everybody its exit code.
func awaitChild(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// inherited stands for the files that this process was given by its own parent beside the standard streams, such as a
// shell's lock file: as a child's ExtraFiles they are closed there, for whoever waits until they are closed must not wait
// for a node. What Go opened closes itself.
func inherited() []*os.File {
	const standard = 2
	return make([]*os.File, slices.Max(append(procfs.InheritedFiles(standard), standard))-standard)
}

// interruptible returns the same terminal as a file whose Close ends a Read that waits, and closes the other: package pty
// asks that for its number, whereupon Go reads from it by a call that nothing ends (os.File.Fd). A file that was
// non-blocking when Go got it stays so when it is asked.
func interruptible(console *os.File) (*os.File, error) {
	defer func() { _ = console.Close() }()
	fd, err := unix.FcntlInt(console.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", console.Name(), err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("set %s to non-blocking: %w", console.Name(), err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), console.Name()), nil
}

// ticksPerSecond is USER_HZ, which is the same wherever Go runs on Linux.
const ticksPerSecond = 100

// startOf is when a process was started, where only the kernel knows.
func startOf(p procfs.Process) time.Time {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}
	}
	began := time.Duration(p.Started) * time.Second / ticksPerSecond
	return time.Now().Add(began - time.Duration(boot.Nano()))
}
