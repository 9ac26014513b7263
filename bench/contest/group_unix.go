//go:build unix

package contest

import (
	"os/exec"
	"syscall"
)

// groupOfItsOwn keeps the terminal's signals from a child.
func groupOfItsOwn(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
