//go:build unix

package probe

import (
	"net"
	"syscall"
)

// hasInput reports whether the connection has input that was not read yet, or has ended.
func hasInput(conn net.Conn) bool {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	plain, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return false
	}
	input := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		input = err != syscall.EAGAIN && err != syscall.EINTR
	})
	return err == nil && input
}
