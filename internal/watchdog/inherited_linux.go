package watchdog

import (
	"golang.org/x/sys/unix"

	"nomadlab.internal/internal/procfs"
)

// closeInherited closes what the owner itself inherited and so handed on, such as a shell's lock file or the pipe of a
// process substitution: whoever waits for those to close must not wait for the watchdog. What Go opened in this process
// is close-on-exec, what was inherited is not.
func closeInherited() {
	for _, fd := range procfs.InheritedFiles(pipeFD) {
		_ = unix.Close(fd)
	}
}
