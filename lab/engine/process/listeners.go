package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// listening is the state of a socket that waits for connections (TCP_LISTEN, include/net/tcp_states.h).
const listening = "0A"

// listeners are the loopback addresses that TCP sockets listen on. Those that listen on every address are not among them:
// no subnet is free of them.
func listeners() ([]netip.Prefix, error) {
	seen := map[netip.Addr]bool{}
	var taken []netip.Prefix
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // where IPv6 is switched off
		}
		if err != nil {
			return nil, fmt.Errorf("list what listens on loopback: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			address, ok := listener(line)
			if ok && loopback().Contains(address) && !seen[address] {
				seen[address] = true
				taken = append(taken, netip.PrefixFrom(address, 32))
			}
		}
	}
	return taken, nil
}

// listener reads a line of the table (proc_pid_net(5)): its second field is the local address and port, its fourth the state.
func listener(line string) (netip.Addr, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != listening {
		return netip.Addr{}, false
	}
	text, _, _ := strings.Cut(fields[1], ":")
	var address []byte
	for ; len(text) >= 8; text = text[8:] {
		// The kernel keeps the bytes in their order on the wire, and prints each four of them as one number.
		word, err := strconv.ParseUint(text[:8], 16, 32)
		if err != nil {
			return netip.Addr{}, false
		}
		address = binary.NativeEndian.AppendUint32(address, uint32(word))
	}
	out, ok := netip.AddrFromSlice(address)
	return out.Unmap(), ok
}
