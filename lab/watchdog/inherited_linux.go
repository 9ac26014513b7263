package watchdog

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// closeInherited closes what the owner itself inherited and so handed on, such as a shell's lock file or the pipe of a
// process substitution: whoever waits for those to close must not wait for the watchdog. What Go opened in this process
// is close-on-exec, what was inherited is not.
func closeInherited() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= pipeFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}
