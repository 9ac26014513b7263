//go:build !unix

package probe

import "net"

// hasInput returns false: it is not known here.
func hasInput(net.Conn) bool { return false }
