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

// missingCapabilities returns those that root lacks, as in a container, and needs for agents of other users: to give them
// files and an account, to signal them, and to read their environment.
func missingCapabilities() []string {
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

// awaitChild returns when a child has ended. It does not collect the child, so its exit code stays readable in /proc.
func awaitChild(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// inheritedFiles returns nil files in place of those that this process inherited beside the standard streams, such as a
// shell's lock file. As a child's ExtraFiles, they are closed in the child: a process that waits until such a file is closed
// must not wait for a node. Files that Go opened are closed on execve.
func inheritedFiles() []*os.File {
	const standard = 2
	return make([]*os.File, slices.Max(append(procfs.InheritedFiles(standard), standard))-standard)
}

// reopenNonblocking returns a duplicate of a terminal and closes the original. Close of the duplicate ends a waiting Read.
// The original's does not, because package pty calls os.File.Fd, which makes the file blocking.
func reopenNonblocking(console *os.File) (*os.File, error) {
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

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go supports.
const ticksPerSecond = 100

// startTime returns when a process was started, from the kernel. It is zero if that is unknown.
func startTime(p procfs.Process) time.Time {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}
	}
	began := time.Duration(p.Started) * time.Second / ticksPerSecond
	return time.Now().Add(began - time.Duration(boot.Nano()))
}
