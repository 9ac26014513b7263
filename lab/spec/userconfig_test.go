package spec_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestStandIn: the reason is given for each role by itself.
func TestStandIn(t *testing.T) {
	const named, bare = "tls { cert_file = \"/etc/a.pem\" }\n", "datacenter = \"dc1\"\n"
	agents := func(text string, withCredential bool) spec.AgentConfiguration {
		var a spec.AgentConfiguration
		if text != "" {
			a.Files = agentconf.Files{agentconf.NewFile("mine/agent.hcl", []byte(text))}
		}
		if withCredential {
			a.Credential = &pki.Credential{}
		}
		return a
	}
	var none *spec.Configuration
	for name, test := range map[string]struct {
		c              *spec.Configuration
		server, client string
	}{
		"a lab's own":                {none, "", ""},
		"both handed in":             {&spec.Configuration{Server: agents(named, true), Client: agents(named, true)}, "", ""},
		"none handed in":             {&spec.Configuration{Server: agents(named, false), Client: agents(named, false)}, "give yours with --tls-dir", "give yours with --tls-dir"},
		"none named":                 {&spec.Configuration{Server: agents(bare, false), Client: agents(bare, false)}, "names no certificate", "names no certificate"},
		"the servers' alone":         {&spec.Configuration{Server: agents(named, true), Client: agents(named, false)}, "", "--client-tls-dir"},
		"the clients' alone":         {&spec.Configuration{Server: agents(named, false), Client: agents(named, true)}, "--server-tls-dir", ""},
		"the clients name none":      {&spec.Configuration{Server: agents(named, true), Client: agents(bare, false)}, "", "your clients' configuration names no certificate"},
		"there are no clients":       {&spec.Configuration{Server: agents(named, true), Client: agents("", false)}, "", ""},
		"no clients, none handed in": {&spec.Configuration{Server: agents(named, false), Client: agents("", false)}, "give yours with --tls-dir", ""},
	} {
		for role, want := range map[pki.Role]string{pki.Server: test.server, pki.Client: test.client} {
			if got := test.c.StandIn(role); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s, %ss: %q, want %q in it", name, role, got, want)
			}
		}
	}
}
