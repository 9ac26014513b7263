package agentconf

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/hashicorp/go-sockaddr"
	functions "github.com/hashicorp/go-sockaddr/template"

	"nomadlab.internal/lab/agentconf/model"
)

// addressSettings are the settings of where an agent listens and of what it advertises.
type addressSettings struct {
	bind      string
	at        model.Addresses
	ports     model.Ports
	advertise model.AdvertiseAddrs
}

func addressSettingsOf(c *model.Config) addressSettings {
	d := addressSettings{bind: c.BindAddr}
	if c.Addresses != nil {
		d.at = *c.Addresses
	}
	if c.Ports != nil {
		d.ports = *c.Ports
	}
	if c.AdvertiseAddrs != nil {
		d.advertise = *c.AdvertiseAddrs
	}
	return d
}

// where returns the address of an endpoint and the setting that has it: its own, or bind_addr.
func (d addressSettings) where(own, setting string) (text, from string) {
	if own == "" {
		return d.bind, "bind_addr"
	}
	return own, setting
}

// addressRefusals adds the refusals of addresses and ports (command/agent/config.go, normalizeAddrs;
// command/agent/agent.go, convertServerConfig; verified against Nomad 1.11.3). It uses only the files: the result of a
// template, and whether a name is known, depend on the user's machine.
func addressRefusals(c *model.Config, add adder) {
	d := addressSettingsOf(c)
	isServer := c.Server != nil && c.Server.Enabled
	d.templates(isServer, add)
	if c.Client != nil && c.Client.Enabled {
		fault := templateFault(c.Client.NetworkInterface)
		add(fault != "", "Failed to parse network-interface: "+fault, "client.network_interface")
	}
	text, setting := d.where(d.at.HTTP, "addresses.http")
	for host := range strings.FieldsSeq(text) {
		add(noAddress(host), fmt.Sprintf("Error starting http server: lookup %s: no such host", host), setting)
	}
	if hosts := strings.Fields(text); d.advertise.HTTP == "" && len(hosts) > 0 {
		add(isLocal(hosts[0]), "Failed to parse HTTP advertise address: "+unsafe, setting)
	}
	text, setting = d.where(d.at.RPC, "addresses.rpc")
	add(d.advertise.RPC == "" && isLocal(text), "Failed to parse RPC advertise address: "+unsafe, setting)
	add(noPort(d.ports.HTTP), fmt.Sprintf("Error starting http server: address %d: invalid port", d.ports.HTTP), "ports.http")
	if isServer {
		text, setting := d.where(d.at.Serf, "addresses.serf")
		add(d.advertise.Serf == "" && isLocal(text), "Failed to parse Serf advertise address: "+unsafe, setting)
		d.ofServer("RPC", "rpc", d.at.RPC, d.advertise.RPC, d.ports.RPC, add)
		d.ofServer("Serf", "serf", d.at.Serf, d.advertise.Serf, d.ports.Serf, add)
	}
}

// unsafe is Nomad's message if an agent would advertise a loopback address because no other was set.
const unsafe = "Defaulting advertise to localhost is unsafe, please set advertise manually"

// isLocal reports whether the text is a loopback address.
func isLocal(text string) bool {
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return strings.EqualFold(text, "localhost") || err == nil && ip.IsLoopback()
}

// templates adds the refusals of invalid templates, and of several addresses where only one is allowed.
func (d addressSettings) templates(isServer bool, add adder) {
	single := func(text, words, setting string) {
		fault := templateFault(text)
		if fault != "" {
			fault = fmt.Sprintf("unable to parse address template %q: %s", text, fault)
		} else if strings.Contains(text, " ") && !strings.Contains(text, "{{") {
			fault = fmt.Sprintf("multiple addresses found (%q), please configure one", text)
		}
		add(fault != "", words+fault, setting)
	}
	single(d.bind, "Bind address resolution failed: ", "bind_addr")
	fault := templateFault(d.at.HTTP)
	add(fault != "", fmt.Sprintf("Failed to parse HTTP address: Unable to parse address template %q: %s", d.at.HTTP, fault), "addresses.http")
	single(d.at.RPC, "Failed to parse RPC address: ", "addresses.rpc")
	single(d.at.Serf, "Failed to parse Serf address: ", "addresses.serf")
	const advertised = "advertise address: Error parsing advertise address template: "
	single(d.advertise.HTTP, "Failed to parse HTTP "+advertised, "advertise.http")
	single(d.advertise.RPC, "Failed to parse RPC "+advertised, "advertise.rpc")
	if isServer {
		single(d.advertise.Serf, "Failed to parse Serf "+advertised, "advertise.serf")
	}
}

// ofServer adds the refusals of an endpoint that only servers have.
func (d addressSettings) ofServer(title, name, own, advertised string, port int, add adder) {
	text, setting := d.where(own, "addresses."+name)
	add(noAddress(text), fmt.Sprintf("Failed to parse %s address %q: lookup %s: no such host", title, text, text), setting)
	add(noPort(port), fmt.Sprintf("Failed to parse %s address: address %d: invalid port", title, port), "ports."+name)
	host, number, err := net.SplitHostPort(advertised)
	if err != nil {
		host, number = advertised, ""
	}
	add(strings.HasPrefix(advertised, "[") && !strings.Contains(advertised, "]"),
		fmt.Sprintf("Failed to parse %s advertise address %q: missing ']' in address", title, advertised), "advertise."+name)
	add(noAddress(host), fmt.Sprintf("Failed to parse %s advertise address %q: lookup %s: no such host", title, advertised, host), "advertise."+name)
	n, err := strconv.Atoi(number)
	add(err == nil && noPort(n), fmt.Sprintf("Failed to parse %s advertise address %q: address %d: invalid port", title, advertised, n), "advertise."+name)
}

// templateFault returns the error of go-sockaddr about a text that is no template, or one that no host can execute; empty
// if there is none. It does not ask this machine for its addresses. Which addresses a host has decides what a filter
// leaves, and so whether there is a first one to take: each of hosts is tried as it is, and with filters that leave
// everything.
func templateFault(text string) string {
	var fault string
	for _, host := range hosts() {
		for _, filters := range []template.FuncMap{functions.FilterFuncs, filtersThatLeaveAll()} {
			parsed, err := template.New("sockaddr.Parse").Funcs(functions.SourceFuncs).Funcs(functions.SortFuncs).Funcs(filters).
				Funcs(functions.HelperFuncs).Funcs(asking(host)).Parse(text)
			if err != nil {
				return fmt.Sprintf("unable to parse template %+q: %v", text, err)
			}
			err = parsed.Execute(io.Discard, host)
			if err == nil {
				return ""
			}
			fault = fmt.Sprintf("unable to execute sockaddr input %+q: %v", text, err)
		}
	}
	return fault
}

// filtersThatLeaveAll returns go-sockaddr's filters as they work on a host all of whose addresses match. Arguments that
// they cannot parse are still errors.
func filtersThatLeaveAll() template.FuncMap {
	all := template.FuncMap{}
	for name, f := range functions.FilterFuncs {
		filter, is := f.(func(string, string, sockaddr.IfAddrs) (sockaddr.IfAddrs, error))
		if !is {
			continue
		}
		all[name] = func(selector, parameter string, in sockaddr.IfAddrs) (sockaddr.IfAddrs, error) {
			_, err := filter(selector, parameter, in)
			return in, err
		}
	}
	return all
}

// hosts returns the addresses of three machines: with many addresses, with one, and with none.
func hosts() []sockaddr.IfAddrs {
	var many sockaddr.IfAddrs
	for i := range 8 {
		link := net.Interface{Index: i + 1, MTU: 1500, Name: fmt.Sprintf("eth%d", i), Flags: net.FlagUp | net.FlagBroadcast | net.FlagRunning}
		for _, address := range []string{"10.%d.0.1/16", "203.0.113.%d/24", "2001:db8:%d::1/64"} {
			many = append(many, sockaddr.IfAddr{SockAddr: sockaddr.MustIPAddr(fmt.Sprintf(address, i+1)), Interface: link})
		}
	}
	return []sockaddr.IfAddrs{many, many[:1], nil}
}

// asking returns the functions of go-sockaddr that ask the machine for addresses, with the answers of that host.
func asking(host sockaddr.IfAddrs) template.FuncMap {
	all := template.FuncMap{}
	known := maps.Clone(functions.SourceFuncs)
	maps.Copy(known, functions.HelperFuncs)
	for name, f := range known {
		if !strings.HasPrefix(name, "Get") {
			continue
		}
		kind := reflect.TypeOf(f)
		all[name] = reflect.MakeFunc(kind, func([]reflect.Value) []reflect.Value {
			var out []reflect.Value
			for of := range kind.Outs() {
				value := reflect.Zero(of) // no error
				switch of {
				case reflect.TypeFor[sockaddr.IfAddrs]():
					value = reflect.ValueOf(host)
				case reflect.TypeFor[string]():
					value = reflect.ValueOf("10.0.0.1")
				}
				out = append(out, value)
			}
			return out
		}).Interface()
	}
	return all
}

// fourNumbers matches what looks like an IPv4 address.
var fourNumbers = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)

// noAddress reports whether the text looks like an IPv4 address and is none.
func noAddress(text string) bool {
	const most = 255
	return fourNumbers.MatchString(text) && slices.ContainsFunc(strings.Split(text, "."), func(part string) bool {
		n, err := strconv.Atoi(part)
		return err != nil || n > most
	})
}

func noPort(n int) bool { return n < 0 || n >= portsEnd }

// logRefusals adds the refusals of the system log (command/agent/command.go:604; go-syslog, unix.go).
func logRefusals(c *model.Config, add adder) {
	facilities := strings.Fields("KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP LOCAL0 LOCAL1 LOCAL2 LOCAL3 LOCAL4 LOCAL5 LOCAL6 LOCAL7")
	name := strings.ToUpper(c.SyslogFacility)
	on := c.EnableSyslog && !strings.EqualFold(c.LogLevel, "off") // which turns it off (command/agent/command.go:600)
	add(on && name != "" && !slices.Contains(facilities, name), "Syslog setup failed: invalid syslog facility: "+name, "syslog_facility")
}
