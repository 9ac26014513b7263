package agentconf_test

import (
	"os/exec"
	"runtime"
	"syscall"
)

// tie has the kernel kill the program when this process ends, however it does. Until untie is called the goroutine keeps its
// thread, as the kernel takes the end of the thread that has started the program for that of the process.
func tie(program *exec.Cmd) (untie func()) {
	runtime.LockOSThread()
	program.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return runtime.UnlockOSThread
}
