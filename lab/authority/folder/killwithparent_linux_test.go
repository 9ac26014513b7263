package folder_test

import (
	"os/exec"
	"runtime"
	"syscall"
)

// killWithParent makes the kernel kill the program when this process ends. Until stop is called the goroutine keeps its
// thread, as the kernel takes the end of the thread that has started the program for that of the process.
func killWithParent(program *exec.Cmd) (stop func()) {
	runtime.LockOSThread()
	program.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return runtime.UnlockOSThread
}
