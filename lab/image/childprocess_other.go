//go:build !linux

package image

import "syscall"

// groupLeader puts a child in a process group of its own.
func groupLeader() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
