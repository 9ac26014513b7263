package fit

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
)

// Nomad's default ports (command/agent/config.go, DefaultConfig).
const (
	defaultHTTP uint16 = 4646
	defaultRPC  uint16 = 4647
	defaultSerf uint16 = 4648
)

// reach is who can connect to an address that an agent listens on.
type reach int

const (
	// everybody is a wildcard, which is also what no address at all means (command/agent/config.go, normalizeAddrs).
	everybody reach = iota
	// itself is a loopback address.
	itself
	// network is any other.
	network
)

// template is a go-sockaddr template, and what may stand before and behind it.
var template = regexp.MustCompile(`\{\{.*?\}\}`)

// reachOf says who can connect to the address. Of a template it is taken from its words, as what it gives on the user's
// machine cannot be known here.
func reachOf(address string) reach {
	text := strings.TrimSpace(address)
	if template.MatchString(text) {
		if strings.Contains(text, "loopback") || strings.Contains(text, `"lo"`) || strings.Contains(text, "127.") {
			return itself
		}
		return network
	}
	if strings.EqualFold(text, "localhost") {
		return itself
	}
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	switch {
	case text == "", err == nil && ip.IsUnspecified():
		return everybody
	case err == nil && ip.IsLoopback():
		return itself
	default:
		return network
	}
}

// translate has the agent listen where it would, on the node's addresses instead of the user's: a loopback address and a
// wildcard stay what they are, every other becomes the node's.
func (f *fitter) translate() error {
	f.result.Inside = map[uint16]bool{}
	base := f.given.Text("bind_addr")
	if err := f.listen("bind_addr", base); err != nil {
		return err
	}
	var err error
	if f.result.Ports, err = PortsOf(f.given); err != nil {
		return err
	}
	for _, door := range endpoints(&f.result.Ports) {
		address := f.given.Text("addresses." + door.name)
		if err := f.listen("addresses."+door.name, address); err != nil {
			return err
		}
		if address == "" {
			address = base
		}
		f.result.Inside[*door.into] = f.place.Contained && onLoopbackAlone(address)
		if err := f.advertise("advertise." + door.name); err != nil {
			return err
		}
	}
	return nil
}

// port is the one that the setting has. 0 is as if it was not set, as Nomad merges it (command/agent/config.go, Ports.Merge).
func (f *fitter) port(setting string, usual uint16) (uint16, error) {
	n, has, err := f.given.Number(setting)
	switch {
	case err != nil:
		return 0, err
	case !has, n == 0:
		return usual, nil
	case n < 1 || n > 65535:
		line, _ := f.given.Counts(setting)
		return 0, fmt.Errorf("%s:%d: %s is %d: use a port from 1 to 65535", line.File, line.Number, setting, n)
	default:
		return uint16(n), nil //nolint:gosec // its bounds were looked at
	}
}

// onLoopbackAlone says so of an address, or of several with blanks between, as addresses.http may have them.
func onLoopbackAlone(addresses string) bool {
	parts := split(addresses)
	for _, a := range parts {
		if reachOf(a) != itself {
			return false
		}
	}
	return len(parts) > 0
}

// split takes addresses apart. A template, which has blanks of its own, is one address.
func split(addresses string) []string {
	if template.MatchString(addresses) {
		return []string{addresses}
	}
	return strings.Fields(addresses)
}

// listen translates what an agent listens on. An empty address, which is a wildcard, is the own file's to replace.
func (f *fitter) listen(setting, addresses string) error {
	if addresses == "" {
		return nil
	}
	var here []string
	because := becauseAddress
	for _, a := range split(addresses) {
		switch r := reachOf(a); {
		case f.place.Contained && r != network:
			here = append(here, a)
		case r == network:
			here = append(here, f.place.Address.String())
		default:
			here, because = append(here, f.place.Address.String()), becauseShared
		}
	}
	joined := strings.Join(here, " ")
	if joined == addresses {
		return nil
	}
	return f.change(setting, literal(joined), because)
}

// advertise has the agent tell its peers the node's address, at the port that it would tell them.
func (f *fitter) advertise(setting string) error {
	text := f.given.Text(setting)
	if text == "" {
		return nil
	}
	return f.change(setting, literal(withPort(f.place.Address, text)), becauseAddress)
}

// withPort is the address, with the port that the text has behind it, if it has one.
func withPort(address netip.Addr, text string) string {
	bare := template.ReplaceAllString(text, "host")
	_, port, err := net.SplitHostPort(bare)
	if err != nil {
		return address.String()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
		return netip.AddrPortFrom(address, uint16(n)).String()
	}
	return address.String()
}

// PortsOf are the ports at which an agent with that configuration listens. Its error names the setting that is no port.
func PortsOf(files agentconf.Files) (Ports, error) {
	f := fitter{given: files}
	var p Ports
	for _, door := range endpoints(&p) {
		port, err := f.port("ports."+door.name, door.usual)
		if err != nil {
			return Ports{}, err
		}
		*door.into = port
	}
	return p, nil
}

// door is one of an agent's ports.
type endpoint struct {
	name  string
	usual uint16
	into  *uint16
}

func endpoints(p *Ports) []endpoint {
	return []endpoint{{"http", defaultHTTP, &p.HTTP}, {"rpc", defaultRPC, &p.RPC}, {"serf", defaultSerf, &p.Serf}}
}
