//go:build !linux

package folder_test

import "os/exec"

// killWithParent does nothing: only Linux can end a program with its parent. stop does nothing either.
func killWithParent(*exec.Cmd) (stop func()) { return func() {} }
