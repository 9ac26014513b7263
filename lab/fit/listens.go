package fit

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
)

// Listener is one of an agent's ports, and who can connect to it as the files say it.
type Listener struct {
	// Name is that of the port in the files: http, rpc, serf.
	Name string
	// Reach is who can connect, and Address where: several have blanks between, a template stands as it is.
	Reach   Reach
	Address string
	Port    uint16
	// Setting is the line that says so; of one that says nothing it is bind_addr.
	Setting string
}

// Reach is who can connect to an address, from the fewest to the most.
type Reach string

// The reaches.
const (
	// Itself is the machine alone.
	Itself Reach = "the machine itself"
	// Private is a private network (RFC 1918, RFC 4193), or a template that looks for one.
	Private Reach = "a private network"
	// Some is another address: which networks lead there cannot be known here.
	Some Reach = "one network"
	// All is a wildcard, Nomad's default: every network of the machine.
	All Reach = "every network"
)

// Wider reports whether more can connect than by another reach.
func (r Reach) Wider(than Reach) bool {
	order := []Reach{Itself, Private, Some, All}
	return slices.Index(order, r) > slices.Index(order, than)
}

// Listeners returns where an agent with these files listens: a server at all three ports, a client at that of HTTP alone. Its error
// names the setting that is no port.
func Listeners(files agentconf.Files, server bool) ([]Listener, error) {
	var ports Ports
	f := fitter{given: files}
	var out []Listener
	for _, d := range endpoints(&ports) {
		if !server && d.name != "http" {
			continue
		}
		port, err := f.port("ports."+d.name, d.usual)
		if err != nil {
			return nil, err
		}
		l := Listener{Name: d.name, Port: port, Setting: "bind_addr", Address: cmp.Or(files.Text("bind_addr"), "0.0.0.0")}
		if own := files.Text("addresses." + d.name); own != "" {
			l.Setting, l.Address = "addresses."+d.name, own
		}
		l.Reach = Itself
		for _, address := range split(l.Address) {
			if r := widestOf(address); r.Wider(l.Reach) {
				l.Reach = r
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// widestOf is who can connect to one address.
func widestOf(address string) Reach {
	ip, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(address), "[]"))
	switch r := reachOf(address); {
	case r == itself:
		return Itself
	case r == everybody:
		return All
	case err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()), template.MatchString(address) && strings.Contains(address, "Private"):
		return Private
	default:
		return Some
	}
}

// String says who can connect, and where.
func (l Listener) String() string {
	return fmt.Sprintf("%s, at %s port %d", l.Reach, l.Address, l.Port)
}
