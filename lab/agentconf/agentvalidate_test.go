package agentconf_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// Each case breaks one field of a good agent; mend, where the good agent alone is
// not the control, puts right what is next to it.
var faults = map[string]struct {
	agent func() agentconf.Agent
	harm  func(*agentconf.Agent)
	mend  func(*agentconf.Agent)
	want  string
}{
	"no name":                          {agent: server, harm: func(a *agentconf.Agent) { a.Name = "" }, want: "Name: "},
	"name of two lines":                {agent: server, harm: func(a *agentconf.Agent) { a.Name = "a\nb" }, want: "Name: "},
	"name not UTF-8":                   {agent: server, harm: func(a *agentconf.Agent) { a.Name = "a\xff" }, want: "Name: "},
	"region with NUL":                  {agent: server, harm: func(a *agentconf.Agent) { a.Region = "a\x00" }, want: "Region: "},
	"datacenter pattern":               {agent: server, harm: func(a *agentconf.Agent) { a.Datacenter = "dc*" }, want: "Datacenter: "},
	"datacenter with NUL":              {agent: server, harm: func(a *agentconf.Agent) { a.Datacenter = "\x00" }, want: "Datacenter: "},
	"pool of a server":                 {agent: server, harm: func(a *agentconf.Agent) { a.NodePool = "blue" }, want: "NodePool: "},
	"pool all":                         {agent: client, harm: func(a *agentconf.Agent) { a.NodePool = "all" }, want: "NodePool: "},
	"pool with a space":                {agent: client, harm: func(a *agentconf.Agent) { a.NodePool = "a b" }, want: "NodePool: "},
	"no data dir":                      {agent: server, harm: func(a *agentconf.Agent) { a.DataDir = "" }, want: "DataDir: "},
	"relative data dir":                {agent: server, harm: func(a *agentconf.Agent) { a.DataDir = "data" }, want: "DataDir: "},
	"bind to a name":                   {agent: server, harm: func(a *agentconf.Agent) { a.BindAddr = "{{ GetPrivateIP }}" }, want: "BindAddr: "},
	"no advertise":                     {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = "" }, want: "Advertise: "},
	"advertise a name":                 {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = "server-1" }, want: "Advertise: "},
	"advertise with port":              {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = "10.0.0.1:4646" }, want: "Advertise: "},
	"advertise every one":              {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = "0.0.0.0" }, want: "Advertise: "},
	"advertise half a template":        {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = `{{ GetPrivateIP` }, want: "Advertise: "},
	"advertise what nobody knows":      {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = `{{ GetMyIP }}` }, want: "Advertise: "},
	"advertise more than a template":   {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = `{{ GetPrivateIP }}:4646` }, want: "Advertise: "},
	"advertise words and a template":   {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = `at {{ GetPrivateIP }}` }, want: "Advertise: "},
	"advertise templates of two lines": {agent: server, harm: func(a *agentconf.Agent) { a.Advertise = "{{ GetPrivateIP\n}}" }, want: "Advertise: "},
	"open to the network": {
		agent: server,
		harm:  func(a *agentconf.Agent) { a.Advertise = "127.0.0.11" },
		mend:  func(a *agentconf.Agent) { a.BindAddr = "127.0.0.11" },
		want:  "BindAddr: ",
	},
	"unknown log level": {agent: server, harm: func(a *agentconf.Agent) { a.LogLevel = "loud" }, want: "LogLevel: "},
	"two log levels":    {agent: server, harm: func(a *agentconf.Agent) { a.LogLevel = "WARN ERROR" }, want: "LogLevel: "},
	"neither role":      {agent: server, harm: func(a *agentconf.Agent) { a.Server = nil }, want: "Server, Client: "},
	"no CA":             {agent: server, harm: func(a *agentconf.Agent) { a.TLS.CAFile = "" }, want: "TLS.CAFile: "},
	"unknown TLS":       {agent: hardened, harm: func(a *agentconf.Agent) { a.TLS.MinVersion = "1.2" }, want: "TLS.MinVersion: "},
	"unknown welcome":   {agent: hardened, harm: func(a *agentconf.Agent) { a.Server.ClientIntroduction = "enforce" }, want: "Server.ClientIntroduction: "},
	"no certificate":    {agent: server, harm: func(a *agentconf.Agent) { a.TLS.CertFile = "" }, want: "TLS.CertFile: "},
	"relative key":      {agent: server, harm: func(a *agentconf.Agent) { a.TLS.KeyFile = "key.pem" }, want: "TLS.KeyFile: "},
	"expect below zero": {agent: server, harm: func(a *agentconf.Agent) { a.Server.BootstrapExpect = -1 }, want: "Server.BootstrapExpect: "},
	"expect but no join": {
		agent: server,
		harm:  func(a *agentconf.Agent) { a.Server.Join = nil },
		mend:  func(a *agentconf.Agent) { a.Server.BootstrapExpect = 1 },
		want:  "Server.Join: ",
	},
	"server for ever alone": {
		agent: extraNode,
		harm:  func(a *agentconf.Agent) { a.Server.Join = nil },
		mend:  func(a *agentconf.Agent) { a.Server.BootstrapExpect = 1 },
		want:  "Server: ",
	},
	"join without port":     {agent: extraNode, harm: func(a *agentconf.Agent) { a.Server.Join = []string{"10.0.0.1"} }, want: "Server.Join[0]: "},
	"join port zero":        {agent: extraNode, harm: func(a *agentconf.Agent) { a.Server.Join[2] = "10.0.0.1:0" }, want: "Server.Join[2]: "},
	"join port too high":    {agent: extraNode, harm: func(a *agentconf.Agent) { a.Server.Join[1] = "10.0.0.1:65536" }, want: "Server.Join[1]: "},
	"join asks a cloud":     {agent: extraNode, harm: func(a *agentconf.Agent) { a.Server.Join[0] = "provider=aws tag_key=a:4648" }, want: "Server.Join[0]: "},
	"client alone":          {agent: client, harm: func(a *agentconf.Agent) { a.Client.Servers = nil }, mend: func(a *agentconf.Agent) { a.Server = &agentconf.Server{BootstrapExpect: 1} }, want: "Client.Servers: "},
	"server without port":   {agent: client, harm: func(a *agentconf.Agent) { a.Client.Servers[1] = "server-1" }, want: "Client.Servers[1]: "},
	"server without host":   {agent: client, harm: func(a *agentconf.Agent) { a.Client.Servers[1] = ":4647" }, want: "Client.Servers[1]: "},
	"server with a C0 rune": {agent: client, harm: func(a *agentconf.Agent) { a.Client.Servers[0] = "a\x01:4647" }, want: "Client.Servers[0]: "},
}

func TestHCLRefusesFaultyFields(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			agent := copied(fault.agent())
			mustHCL(t, agent) // the control: without the fault it is accepted

			fault.harm(&agent)
			text, err := agent.HCL()
			if err == nil {
				t.Fatalf("accepted:\n%s", text)
			}
			if text != nil {
				t.Error("returned text beside the error")
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != 1 || !strings.Contains(lines[0], ": "+fault.want) {
				t.Errorf("want one fault, of %q; got %v", fault.want, err)
			}
			if fault.mend != nil {
				fault.mend(&agent)
				mustHCL(t, agent)
			}
		})
	}
}

func TestHCLNamesEveryFaultAtOnce(t *testing.T) {
	_, err := agentconf.Agent{BindAddr: "nowhere", TLS: &agentconf.TLS{}, Client: &agentconf.Client{}}.HCL()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"Name", "DataDir", "BindAddr", "Advertise", "TLS.CAFile", "TLS.CertFile", "TLS.KeyFile", "Client.Servers"} {
		if !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}

func TestHCLAccepts(t *testing.T) {
	cases := map[string]func(*agentconf.Agent){
		"IPv6":                 func(a *agentconf.Agent) { a.BindAddr, a.Advertise = "::", "fd00::11" },
		"advertise a template": func(a *agentconf.Agent) { a.Advertise = "{{ GetPrivateIP }}" },
		"names in Join":        func(a *agentconf.Agent) { a.Server.Join = []string{"server-1:4648", "[fd00::1]:4648"} },
		"log level in small":   func(a *agentconf.Agent) { a.LogLevel = "debug" },
		"server and client":    func(a *agentconf.Agent) { a.Client = &agentconf.Client{} },
		"one server by itself": func(a *agentconf.Agent) { a.Server = &agentconf.Server{BootstrapExpect: 1} },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			agent := copied(server())
			change(&agent)
			parse(t, mustHCL(t, agent))
		})
	}
}

// copied detaches the lists, so that a case may change their elements.
func copied(agent agentconf.Agent) agentconf.Agent {
	if agent.Server != nil {
		server := *agent.Server
		server.Join = append([]string(nil), server.Join...)
		agent.Server = &server
	}
	return agent
}
