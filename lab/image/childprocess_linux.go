package image

import "syscall"

// groupLeader puts a child in a process group of its own, and makes the kernel kill it when this process is killed. The
// kernel does not kill the child's own children; those of go end with their input.
func groupLeader() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
