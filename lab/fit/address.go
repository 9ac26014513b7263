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

// template matches a go-sockaddr template.
var template = regexp.MustCompile(`\{\{.*?\}\}`)

// reachOf returns who can connect to the address. The reach of a template is guessed from its words: its result on the user's
// machine is not known here.
func reachOf(address string) Reach {
	text := strings.TrimSpace(address)
	if template.MatchString(text) {
		switch {
		case strings.Contains(text, "loopback"), strings.Contains(text, `"lo"`), strings.Contains(text, "127."):
			return Itself
		case strings.Contains(text, "Private"):
			return Private
		default:
			return Some
		}
	}
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	switch {
	case text == "", err == nil && ip.IsUnspecified(): // no address is a wildcard (command/agent/config.go, normalizeAddrs)
		return All
	case strings.EqualFold(text, "localhost"), err == nil && ip.IsLoopback():
		return Itself
	case err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()):
		return Private
	default:
		return Some
	}
}

// ofNetwork reports whether the address is neither loopback nor a wildcard.
func ofNetwork(address string) bool { return reachOf(address) == Private || reachOf(address) == Some }

// translate makes the agent listen on the node's addresses instead of the user's: loopback addresses and wildcards stay,
// and every other address becomes the node's.
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
	for _, e := range endpoints(&f.result.Ports) {
		address := f.given.Text("addresses." + e.name)
		if err := f.listen("addresses."+e.name, address); err != nil {
			return err
		}
		if address == "" {
			address = base
		}
		f.result.Inside[*e.into] = f.place.Contained && onLoopbackAlone(address)
		if err := f.advertise("advertise." + e.name); err != nil {
			return err
		}
	}
	return nil
}

// port returns the port of the setting. 0 counts as not set, as in Nomad (command/agent/config.go, Ports.Merge).
func (f *fitter) port(setting string, usual uint16) (uint16, error) {
	n, has, err := f.given.Number(setting)
	switch {
	case err != nil:
		return 0, err
	case !has, n == 0:
		return usual, nil
	case n < 1 || n > 65535:
		line, _ := f.given.EffectiveLine(setting)
		return 0, fmt.Errorf("%s:%d: %s is %d: use a port from 1 to 65535", line.File, line.Number, setting, n)
	default:
		return uint16(n), nil //nolint:gosec // its bounds were checked
	}
}

// onLoopbackAlone reports whether all addresses are loopback. addresses.http may have several, separated by blanks.
func onLoopbackAlone(addresses string) bool {
	parts := split(addresses)
	for _, a := range parts {
		if reachOf(a) != Itself {
			return false
		}
	}
	return len(parts) > 0
}

// split returns the single addresses. A template, which contains blanks, is one address.
func split(addresses string) []string {
	if template.MatchString(addresses) {
		return []string{addresses}
	}
	return strings.Fields(addresses)
}

// listen translates the addresses on which the agent listens. An empty address, which is a wildcard, is replaced in the
// lab's own file.
func (f *fitter) listen(setting, addresses string) error {
	if addresses == "" {
		return nil
	}
	var here []string
	because := becauseAddress
	for _, a := range split(addresses) {
		switch {
		case f.place.Contained && !ofNetwork(a):
			here = append(here, a)
		case ofNetwork(a):
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

// advertise makes the agent advertise the node's address, with the port of the user's.
func (f *fitter) advertise(setting string) error {
	text := f.given.Text(setting)
	if text == "" {
		return nil
	}
	return f.change(setting, literal(withPort(f.place.Address, text)), becauseAddress)
}

// withPort returns the address with the port of the text, if the text has one.
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

// PortsOf returns the ports at which an agent with that configuration listens. Its error names a setting that is no port.
func PortsOf(files agentconf.Files) (Ports, error) {
	f := fitter{given: files}
	var p Ports
	for _, e := range endpoints(&p) {
		port, err := f.port("ports."+e.name, e.usual)
		if err != nil {
			return Ports{}, err
		}
		*e.into = port
	}
	return p, nil
}

// endpoint is one of an agent's ports.
type endpoint struct {
	name  string
	usual uint16
	into  *uint16
}

func endpoints(p *Ports) []endpoint {
	return []endpoint{{"http", defaultHTTP, &p.HTTP}, {"rpc", defaultRPC, &p.RPC}, {"serf", defaultSerf, &p.Serf}}
}
