//go:build unix

package probe

import (
	"net"
	"syscall"
)

// unread reports whether something came on the connection, or its end, that nobody has read.
func unread(conn net.Conn) bool {
	if secured, is := conn.(interface{ NetConn() net.Conn }); is {
		conn = secured.NetConn()
	}
	plain, is := conn.(syscall.Conn)
	if !is {
		return false
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return false
	}
	there := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		there = err != syscall.EAGAIN && err != syscall.EINTR
	})
	return err == nil && there
}
