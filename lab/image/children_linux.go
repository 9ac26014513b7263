package image

import "syscall"

// groupLeader puts a child in a process group of its own, and has the kernel kill it when we are killed
// and cannot do so ourselves. That reaches the child only, not its own children; go's end with their input.
func groupLeader() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
