package agentconf_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// TestRefusesAddressesAsNomad: a lab's agents listen elsewhere, and would start with these lines. The user's agent does not, and
// starts with the line put right.
func TestRefusesAddressesAsNomad(t *testing.T) {
	nomad := realNomad(t)
	const interfaces = `{{ \"127.0.0.1\" }}` // a template that gives what it says
	for name, c := range map[string]struct{ wrong, right, at, words string }{
		"a function that is none": {`bind_addr = "{{ nonsense }}"`, `bind_addr = "` + interfaces + `"`, "agent.hcl:1: bind_addr",
			`Bind address resolution failed: unable to parse address template "{{ nonsense }}": unable to parse template "{{ nonsense }}"`},
		"the fifth address": {`bind_addr = "{{ GetAllInterfaces | offset 99 | attr \"address\" }}"`,
			`bind_addr = "{{ with $a := GetAllInterfaces | limit 4 | offset 1 | attr \"address\" }}{{ end }}127.0.0.1"`, "agent.hcl:1: bind_addr", "unable to execute sockaddr input"},
		"a function without its word": {`bind_addr = "{{ GetInterfaceIP }}"`, `bind_addr = "{{ GetInterfaceIP \"lo\" | printf \"%.0s127.0.0.1\" }}"`, "agent.hcl:1: bind_addr",
			"unable to execute sockaddr input"},
		"a filter that is none": {`bind_addr = "{{ GetAllInterfaces | include \"colour\" \"red\" | attr \"address\" }}"`, `bind_addr = "` + interfaces + `"`, "agent.hcl:1: bind_addr",
			"unable to execute sockaddr input"},
		"a template without an end": {`bind_addr = "{{ GetPrivateIP"`, `bind_addr = "127.0.0.1"`, "agent.hcl:1: bind_addr", "unclosed action"},
		"two addresses":             {`bind_addr = "127.0.0.1 127.0.0.2"`, `bind_addr = "127.0.0.1"`, "agent.hcl:1: bind_addr", "multiple addresses found"},
		"an address of 999":         {`bind_addr = "127.0.0.999"`, `bind_addr = "127.0.0.1"`, "agent.hcl:1: bind_addr", "lookup 127.0.0.999"},
		"for HTTP":                  addressBlock("addresses", "http", "{{ nope }}", interfaces, "Failed to parse HTTP address: Unable to parse address template"),
		"for HTTP, 999":             addressBlock("addresses", "http", "127.0.0.999", "127.0.0.1", ""),
		"for RPC":                   addressBlock("addresses", "rpc", "{{ nope }}", interfaces, "Failed to parse RPC address: unable to parse address template"),
		"for RPC, 999":              addressBlock("addresses", "rpc", "127.0.0.999", "127.0.0.1", "lookup 127.0.0.999"),
		"for gossip":                addressBlock("addresses", "serf", "127.0.0.1 127.0.0.2", "127.0.0.1", "Failed to parse Serf address: multiple addresses found"),
		"advertised HTTP":           addressBlock("advertise", "http", "{{ nope }}", "127.0.0.1", "Error parsing advertise address template: unable to parse address"),
		"advertised RPC":            addressBlock("advertise", "rpc", "{{ nope }}", "127.0.0.1", "Failed to parse RPC advertise address: Error parsing"),
		"advertised RPC, 999":       addressBlock("advertise", "rpc", "127.0.0.999:4647", "127.0.0.1:4647", "lookup 127.0.0.999"),
		"advertised gossip, a port": addressBlock("advertise", "serf", "127.0.0.1:99999", "127.0.0.1:9999", "address 99999: invalid port"),
		"a port":                    addressBlock("ports", "rpc", "99999", "", "address 99999: invalid port"),
		"a port and no bracket":     addressBlock("advertise", "rpc", "[127.0.0.1", "127.0.0.1", "missing ']' in address"),
		"two keys at once": {"keyring \"aead\" {\n active = true\n name = \"a\"\n}\nkeyring \"aead\" {\n active = true\n name = \"b\"\n}",
			"keyring \"aead\" {\n active = true\n name = \"a\"\n}", "agent.hcl:", "only one server.keyring can be active"},
		"the log is off": {"enable_syslog = true\nsyslog_facility = \"NOPE\"", "log_level = \"off\"\nenable_syslog = true\nsyslog_facility = \"NOPE\"", "agent.hcl:2:", "invalid syslog"},
		"a facility": {"enable_syslog = true\nsyslog_facility = \"NOPE\"", "syslog_facility = \"NOPE\"", "agent.hcl:2: syslog_facility",
			"Syslog setup failed: invalid syslog facility: NOPE"},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := askedOf(t, nomad, c.wrong, true, addressesAlone)
			if said.config != nil || !strings.Contains(said.said, c.words) {
				t.Errorf("the agent does not end over it, or not with %q:\n%s", c.words, said.said)
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.at) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want %s… %s", err, c.at, c.words)
			}
			if said, err = askedOf(t, nomad, c.right, false, addressesAlone); said.config == nil || err != nil {
				t.Errorf("what is right is refused: %v\n%s", err, said.said)
			}
		})
	}
}

// TestTakesTemplatesOfOtherHosts: what a template finds is the host's to decide, which this machine is not. What no host can execute is
// refused: the last rows, which a real agent refuses too, see TestRefusesAddressesAsNomad.
func TestTakesTemplatesOfOtherHosts(t *testing.T) {
	for text, takes := range map[string]bool{
		`{{ GetPrivateInterfaces | include "network" "192.168.0.0/16" | offset 1 | attr "address" }}`:                   true,
		`{{ with index (GetPrivateInterfaces | include "network" "192.168.0.0/16") 0 }}{{ attr "address" . }}{{ end }}`: true,
		`{{ (index (GetAllInterfaces | include "name" "^bond0$") 0).SockAddr }}`:                                        true,
		`{{ GetPrivateInterfaces | include "rfc" "6598" | offset -1 | attr "address" }}`:                                true,
		`{{ GetAllInterfaces | exclude "type" "IP" | offset 1 | attr "address" }}`:                                      true,
		`{{ GetInterfaceIP "bond0" }}`: true,
		`{{ GetAllInterfaces | include "colour" "red" | offset 1 | attr "address" }}`:  false,
		`{{ GetAllInterfaces | include "network" "192.168.0.0/99" | attr "address" }}`: false,
		`{{ GetAllInterfaces | include "flags" "upside-down" | attr "address" }}`:      false,
		`{{ GetAllInterfaces | offset "one" | attr "address" }}`:                       false,
	} {
		err := agentconf.Files{agentconf.NewFile("agent.hcl", fmt.Appendf(nil, "bind_addr = %q\nclient { enabled = true }\n", text))}.CheckStart()
		if refused := err != nil && strings.Contains(err.Error(), "unable to execute"); refused == takes {
			t.Errorf("%s: %v, want it taken: %t", text, err, takes)
		}
	}
}

// TestRefusesLoopbackAsNomad: an agent that listens on loopback alone needs an address to advertise.
func TestRefusesLoopbackAsNomad(t *testing.T) {
	nomad := realNomad(t)
	const told = "advertise {\n http = \"127.0.0.1\"\n rpc = \"127.0.0.1\"\n serf = \"127.0.0.1\"\n}\n"
	for wrong, at := range map[string]string{
		"bind_addr = \"127.0.0.1\"": "agent.hcl:1: bind_addr", "bind_addr = \"0.0.0.0\"\naddresses {\n http = \"127.0.0.1\"\n}": "agent.hcl:3: addresses.http",
		"bind_addr = \"0.0.0.0\"\naddresses {\n serf = \"127.0.0.1\"\n}": "agent.hcl:3: addresses.serf",
	} {
		said, err := askedOf(t, nomad, wrong, true, `(?s)(addresses|advertise) \{.*?\}\n`)
		if said.config != nil || !strings.Contains(said.said, "Defaulting advertise to localhost is unsafe") {
			t.Errorf("%s: the agent does not end over it:\n%s", wrong, said.said)
		}
		if err == nil || !strings.HasPrefix(err.Error(), at) || !strings.Contains(err.Error(), "Defaulting advertise to localhost is unsafe") {
			t.Errorf("got %v, want %s", err, at)
		}
		if said, err = askedOf(t, nomad, wrong+"\n"+told, false, `(?s)(addresses|advertise) \{.*?\}\n`); said.config == nil || err != nil {
			t.Errorf("%s: what is right is refused: %v\n%s", wrong, err, said.said)
		}
	}
}

// addressBlock is a case of one line in a block.
func addressBlock(block, name, wrong, right, words string) struct{ wrong, right, at, words string } {
	text := func(value string) string { return fmt.Sprintf("%s {\n %s = \"%s\"\n}", block, name, value) }
	c := struct{ wrong, right, at, words string }{text(wrong), text(right), "agent.hcl:2: " + block + "." + name, words}
	if right == "" {
		c.right = "" // the agent's own
	}
	return c
}

// addressesAlone is the block of addresses.
const addressesAlone = `(?s)addresses \{.*?\}\n`

// askedOf asks a server whose overlay is read first, without some of its blocks, so that the text counts. The agent's own address is in the
// place of 127.0.0.1.
func askedOf(t *testing.T, nomad, text string, ends bool, without string) (answer, error) {
	t.Helper()
	a := newCheapAgent(t, nomad)
	a.ends = ends
	overlay := agentconf.NewFile("overlay.hcl", regexp.MustCompile(without).ReplaceAll(a.overlay().Text(), nil))
	files := agentconf.Files{overlay, agentconf.NewFile("agent.hcl", []byte(strings.ReplaceAll(text, "127.0.0.1", a.at)))}
	return a.run(t, files), files.CheckStart()
}
