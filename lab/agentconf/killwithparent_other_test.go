//go:build !linux

package agentconf_test

import "os/exec"

func killWithParent(*exec.Cmd) (stop func()) { return func() {} }
