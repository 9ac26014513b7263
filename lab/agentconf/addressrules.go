package agentconf

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	sockaddr "github.com/hashicorp/go-sockaddr/template"

	"nomadlab.internal/lab/agentconf/model"
)

// addressRefusals are those of addresses and ports (command/agent/config.go, normalizeAddrs; command/agent/agent.go,
// convertServerConfig; verified against Nomad 1.11.3), as far as the files alone say it: what a template gives, and whether a name
// is known, is for the user's machine to say.
func addressRefusals(c *model.Config, add adder) {
	at, ports, told := model.Addresses{}, model.Ports{}, model.AdvertiseAddrs{}
	if c.Addresses != nil {
		at = *c.Addresses
	}
	if c.Ports != nil {
		ports = *c.Ports
	}
	if c.AdvertiseAddrs != nil {
		told = *c.AdvertiseAddrs
	}
	isServer, isClient := c.Server != nil && c.Server.Enabled, c.Client != nil && c.Client.Enabled
	single := func(text, words, setting string) {
		fault := templateFault(text)
		if fault != "" {
			fault = fmt.Sprintf("unable to parse address template %q: %s", text, fault)
		} else if several := strings.Split(text, " "); len(several) > 1 && !strings.Contains(text, "{{") {
			fault = fmt.Sprintf("multiple addresses found (%q), please configure one", text)
		}
		add(fault != "", words+fault, setting)
	}
	single(c.BindAddr, "Bind address resolution failed: ", "bind_addr")
	fault := templateFault(at.HTTP)
	add(fault != "", fmt.Sprintf("Failed to parse HTTP address: Unable to parse address template %q: %s", at.HTTP, fault), "addresses.http")
	single(at.RPC, "Failed to parse RPC address: ", "addresses.rpc")
	single(at.Serf, "Failed to parse Serf address: ", "addresses.serf")
	const advertised = "advertise address: Error parsing advertise address template: "
	single(told.HTTP, "Failed to parse HTTP "+advertised, "advertise.http")
	single(told.RPC, "Failed to parse RPC "+advertised, "advertise.rpc")
	if isServer {
		single(told.Serf, "Failed to parse Serf "+advertised, "advertise.serf")
	}
	if isClient {
		fault := templateFault(c.Client.NetworkInterface)
		add(fault != "", "Failed to parse network-interface: "+fault, "client.network_interface")
	}
	where := func(own, setting string) (string, string) {
		if own == "" {
			return c.BindAddr, "bind_addr"
		}
		return own, setting
	}
	text, setting := where(at.HTTP, "addresses.http")
	for host := range strings.FieldsSeq(text) {
		add(noAddress(host), fmt.Sprintf("Error starting http server: lookup %s: no such host", host), setting)
	}
	add(noPort(ports.HTTP), fmt.Sprintf("Error starting http server: address %d: invalid port", ports.HTTP), "ports.http")
	if !isServer {
		return
	}
	for _, door := range []struct {
		name, own, told string
		port            int
	}{{"rpc", at.RPC, told.RPC, ports.RPC}, {"serf", at.Serf, told.Serf, ports.Serf}} {
		title := map[string]string{"rpc": "RPC", "serf": "Serf"}[door.name]
		text, setting := where(door.own, "addresses."+door.name)
		add(noAddress(text), fmt.Sprintf("Failed to parse %s address %q: lookup %s: no such host", title, text, text), setting)
		add(noPort(door.port), fmt.Sprintf("Failed to parse %s address: address %d: invalid port", title, door.port), "ports."+door.name)
		host, port, err := net.SplitHostPort(door.told)
		if err != nil {
			host, port = door.told, ""
		}
		add(noAddress(host), fmt.Sprintf("Failed to parse %s advertise address %q: lookup %s: no such host", title, door.told, host), "advertise."+door.name)
		number, err := strconv.Atoi(port)
		add(err == nil && noPort(number), fmt.Sprintf("Failed to parse %s advertise address %q: address %d: invalid port", title, door.told, number),
			"advertise."+door.name)
	}
}

// templateFault is why the text is no go-sockaddr template, in its words; empty where it is one. It is not executed: that would ask
// this machine for its addresses.
func templateFault(text string) string {
	_, err := template.New("sockaddr.Parse").Funcs(sockaddr.SourceFuncs).Funcs(sockaddr.SortFuncs).Funcs(sockaddr.FilterFuncs).
		Funcs(sockaddr.HelperFuncs).Parse(text)
	if err == nil {
		return ""
	}
	return fmt.Sprintf("unable to parse template %+q: %v", text, err)
}

// fourNumbers is what looks like an IPv4 address.
var fourNumbers = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)

// noAddress reports whether the text looks like an IPv4 address and can be none.
func noAddress(text string) bool {
	const most = 255
	return fourNumbers.MatchString(text) && slices.ContainsFunc(strings.Split(text, "."), func(part string) bool {
		n, err := strconv.Atoi(part)
		return err != nil || n > most
	})
}

func noPort(n int) bool { return n < 0 || n >= highestPort }

// logRefusals are those of the system's log (command/agent/command.go:604; go-syslog, unix.go).
func logRefusals(c *model.Config, add adder) {
	facilities := strings.Fields("KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP LOCAL0 LOCAL1 LOCAL2 LOCAL3 LOCAL4 LOCAL5 LOCAL6 LOCAL7")
	name := strings.ToUpper(c.SyslogFacility)
	add(c.EnableSyslog && name != "" && !slices.Contains(facilities, name), "Syslog setup failed: invalid syslog facility: "+name, "syslog_facility")
}
