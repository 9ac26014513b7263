package fit

import (
	"cmp"
	"fmt"
	"slices"

	"nomadlab.internal/lab/agentconf"
)

// Listener is one of an agent's ports, and who can connect to it.
type Listener struct {
	// Name is the name of the port in the files: http, rpc, serf.
	Name string
	// Reach is who can connect. Address is the address in the files: several are separated by blanks, a template is as it stands.
	Reach   Reach
	Address string
	Port    uint16
	// Setting is the setting that has the address, or bind_addr if none has.
	Setting string
}

// Reach says who can connect to an address.
type Reach string

// The reaches, from the narrowest to the widest.
const (
	// Itself is the machine alone.
	Itself Reach = "the machine itself"
	// Private is a private network (RFC 1918, RFC 4193), or a template that looks for one.
	Private Reach = "a private network"
	// Some is any other address: which networks lead to it is not known here.
	Some Reach = "one network"
	// All is a wildcard, Nomad's default: every network of the machine.
	All Reach = "every network"
)

// Wider reports whether more callers can connect than with the other reach.
func (r Reach) Wider(than Reach) bool {
	order := []Reach{Itself, Private, Some, All}
	return slices.Index(order, r) > slices.Index(order, than)
}

// Listeners returns where an agent with these files listens: a server at all three ports, a client only at that of HTTP.
// Its error names a setting that is no port.
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
			if r := reachOf(address); r.Wider(l.Reach) {
				l.Reach = r
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// String returns who can connect, and where.
func (l Listener) String() string {
	return fmt.Sprintf("%s, at %s port %d", l.Reach, l.Address, l.Port)
}
