package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// TestUserConfigurationPlan: an agent reads its user's files in their order, and then the lab's own.
func TestUserConfigurationPlan(t *testing.T) {
	p := spectest.Plan(t, spectest.UserConfiguration(""))
	server, client := p.Nodes[0], p.Nodes[3]
	want := []string{
		"nomad", "agent", "-config", "/nomad/config/1/server.hcl", "-config", "/nomad/config/2/server.hcl", "-config", "/nomad/config/3/nomadlab.hcl",
	}
	if !slices.Equal(server.Command, want) {
		t.Errorf("a server runs %v", server.Command)
	}
	if !slices.Equal(server.Ports, []uint16{14646, 4647, 4648}) || !slices.Equal(client.Ports, []uint16{4646}) {
		t.Errorf("ports %v and %v", server.Ports, client.Ports)
	}
	for path, secret := range map[string]plan.Secret{
		"/etc/nomad.d/ca.pem": plan.CACertificate, "/etc/nomad.d/agent.pem": plan.Certificate, "/etc/nomad.d/agent-key.pem": plan.PrivateKey,
	} {
		i := slices.IndexFunc(server.Files, func(f plan.File) bool { return f.Path == path })
		if i < 0 || server.Files[i].Secret != secret || server.Files[i].Mode != 0o600 {
			t.Errorf("%s: %+v", path, server.Files)
		}
	}
	if string(p.GossipKey) != spectest.GossipSecret {
		t.Error("the plan does not know the servers' gossip key")
	}
}

// TestUserConfigurationOnLoopback: without file systems of their own nodes keep everything below the lab's folder, /etc included.
func TestUserConfigurationOnLoopback(t *testing.T) {
	p, err := plan.New(spectest.UserConfiguration(""), plan.Processes())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		for _, f := range n.Files {
			if !strings.Contains(f.Path, "/"+n.Name+"/") {
				t.Errorf("%s has the file %s", n.Name, f.Path)
			}
		}
	}
}

// TestUserConfigurationKeepsSecrets: neither a plan nor a spec shows what is secret in a user's configuration, however it is
// printed.
func TestUserConfigurationKeepsSecrets(t *testing.T) {
	spec := spectest.UserConfiguration("")
	p := spectest.Plan(t, spec)
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	specJSON, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"the plan as JSON": string(asJSON), "the plan": fmt.Sprintf("%+v", p), "the plan as Go": fmt.Sprintf("%#v", p),
		"the spec as JSON": string(specJSON), "the spec": fmt.Sprintf("%+v", spec), "the spec as Go": fmt.Sprintf("%#v", spec),
	} {
		if strings.Contains(text, spectest.GossipSecret) || !strings.Contains(text, "lab") && !strings.Contains(text, "Clients") && !strings.Contains(text, "clients") {
			t.Errorf("%s shows it: %s", name, text)
		}
	}
}

// TestUserConfigurationRunsNoCommandsHere: a configuration that offers raw_exec is refused on this machine's loopback, by its line,
// and is not changed instead. In containers it is what is to be seen.
func TestUserConfigurationRunsNoCommandsHere(t *testing.T) {
	const blocks, option = `plugin "raw_exec" { config { enabled = true } }`, `client { options { "driver.raw_exec.enable" = "1" } }`
	for _, on := range []string{blocks, option} {
		wanted := spectest.UserConfiguration(on)
		_, err := plan.New(wanted, plan.Processes())
		if !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), "client.hcl:10") || !strings.Contains(err.Error(), "--engine docker") {
			t.Errorf("%s: %v", on, err)
		}
		p := spectest.Plan(t, wanted)
		if !slices.ContainsFunc(p.Nodes[3].Files, func(f plan.File) bool { return strings.Contains(string(f.Whole), on) }) {
			t.Errorf("%s is not what a client in a container reads", on)
		}
	}
}

// TestUserConfigurationRunsNoCommandsInAnyForm: on loopback what lets a client run commands is refused however it is written, and what
// does not is taken.
func TestUserConfigurationRunsNoCommandsInAnyForm(t *testing.T) {
	const denied = `client { template { function_denylist = ["plugin", "writeToFile"] } }`
	for name, c := range map[string]struct {
		files   []string
		refused bool
	}{
		"two config blocks":          {[]string{"plugin \"raw_exec\" {\n config { enabled = true }\n config { denied_envvars = [\"A\"] }\n}"}, true},
		"two, the last says no":      {[]string{"plugin \"raw_exec\" {\n config { enabled = true }\n config { enabled = false }\n}"}, false},
		"a text":                     {[]string{`plugin "raw_exec" { config { enabled = "true" } }`}, true},
		"a number":                   {[]string{`plugin "raw_exec" { config { enabled = 1 } }`}, true},
		"a template":                 {[]string{`plugin "raw_exec" { config { enabled = "${1 == 1}" } }`}, true},
		"a template in another case": {[]string{`plugin "raw_exec" { config { enabled = "${lower("TRUE")}" } }`}, true},
		"a list":                     {[]string{`plugin "raw_exec" { config { enabled = [true] } }`}, true},
		"JSON":                       {[]string{`{"plugin": [{"raw_exec": [{"config": [{"enabled": true}]}]}]}`}, true},
		"JSON, off":                  {[]string{`{"plugin": [{"raw_exec": [{"config": [{"enabled": "false"}]}]}]}`}, false},
		"an empty config after it":   {[]string{`plugin "raw_exec" { config { enabled = true } }`, "plugin \"raw_exec\" {\n config {\n }\n}"}, true},
		"another config after it":    {[]string{`plugin "raw_exec" { config { enabled = true } }`, `plugin "raw_exec" { config { denied_envvars = ["A"] } }`}, false},
		"an option":                  {[]string{`client { options { "driver.raw_exec.enable" = "T" } }`}, true},
		"an option of another name":  {[]string{`client { options { "Driver.raw_exec.enable" = "T" } }`}, false},
		"functions denied":           {[]string{denied}, false},
		"functions allowed later":    {[]string{denied, `client { template { function_denylist = [] } }`}, true},
		"functions allowed, in JSON": {[]string{denied, `{"client": {"template": {"function_denylist": []}}}`}, true},
		"functions denied later":     {[]string{`client { template { function_denylist = [] } }`, denied}, false},
		"folders for downloads":      {[]string{`client { artifact { filesystem_isolation_extra_paths = ["d:rwc:/"] } }`}, true},
		"folders taken back":         {[]string{`client { artifact { filesystem_isolation_extra_paths = ["d:rwc:/"] } }`, `client { artifact { filesystem_isolation_extra_paths = [] } }`}, false},
		"no isolation":               {[]string{`client { artifact { disable_filesystem_isolation = "1" } }`}, true},
		"no isolation, taken back":   {[]string{`client { artifact { disable_filesystem_isolation = true } }`, `client { artifact { disable_filesystem_isolation = "0" } }`}, false},
	} {
		spec := spectest.UserConfiguration("")
		for i, text := range c.files {
			spec.Configuration.Client.Files = append(spec.Configuration.Client.Files, agentconf.NewFile(fmt.Sprintf("%d.hcl", i), []byte(text)))
		}
		_, err := plan.New(spec, plan.Processes())
		if refused := err != nil && strings.Contains(err.Error(), "--engine docker"); refused != c.refused || err != nil && !c.refused {
			t.Errorf("%s: refused: %t, want %t: %v", name, refused, c.refused, err)
		}
	}
	// Where no task runs, nothing is let in: in a server's files.
	spec := spectest.UserConfiguration("")
	spec.Configuration.Server.Files = append(spec.Configuration.Server.Files, agentconf.NewFile("all.hcl", []byte(`plugin "raw_exec" { config { enabled = true } }`)))
	if _, err := plan.New(spec, plan.Processes()); err != nil {
		t.Errorf("raw_exec in a server's files: %v", err)
	}
}

// TestUserConfigurationOverrides change a user's files by the editor that changes the lab's own, for a role or for one node.
func TestUserConfigurationOverrides(t *testing.T) {
	wanted := spectest.UserConfiguration("")
	wanted.Overrides = []spec.Override{
		{Role: pki.Server, Node: "server-3", Path: "tls.http", Value: "false"},
		{Role: pki.Server, Path: "server.encrypt"},
	}
	p := spectest.Plan(t, wanted)
	for _, n := range p.Nodes {
		if n.HTTPInClear != (n.Name == "server-3") {
			t.Errorf("%s speaks HTTP in the clear: %t", n.Name, n.HTTPInClear)
		}
	}
	if p.GossipKey != "" {
		t.Error("there still is a gossip key")
	}
}
