// Command pause does nothing until it is killed: the only program in the test images.
package main

import "syscall"

func main() {
	for {
		_ = syscall.Pause()
	}
}
