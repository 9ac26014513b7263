package agentconf_test

import (
	"testing"

	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/agentconf"
)

var serfAddresses = []string{"172.30.0.11:4648", "172.30.0.12:4648", "172.30.0.13:4648"}

func server() agentconf.Agent {
	return agentconf.Agent{
		Name: "server-1", Region: "global", Datacenter: "dc1",
		DataDir: "/nomad/data", Advertise: "172.30.0.11", LogLevel: "TRACE",
		TLS: &agentconf.TLS{
			CAFile:   "/nomad/tls/ca.pem",
			CertFile: "/nomad/tls/cert.pem",
			KeyFile:  "/nomad/tls/key.pem",
		},
		Server: &agentconf.Server{BootstrapExpect: 3, Join: serfAddresses},
	}
}

func extraNode() agentconf.Agent {
	agent := server()
	agent.Name, agent.Advertise = "server-4", "172.30.0.14"
	agent.Server = &agentconf.Server{Join: serfAddresses}
	return agent
}

func client() agentconf.Agent {
	agent := server()
	agent.Name, agent.Advertise = "client-1", "172.30.0.21"
	agent.NodePool = "blue"
	agent.Server = nil
	agent.Client = &agentconf.Client{
		Servers: []string{"172.30.0.11:4647", "172.30.0.12:4647", "172.30.0.13:4647"},
		RawExec: true,
	}
	return agent
}

func loopbackClient() agentconf.Agent {
	agent := client()
	agent.NodePool, agent.LogLevel = "", ""
	agent.BindAddr, agent.Advertise = "127.0.0.21", "127.0.0.21"
	agent.Client = &agentconf.Client{Servers: []string{"127.0.0.11:4647"}}
	return agent
}

func named() agentconf.Agent {
	agent := server()
	agent.Advertise = `{{ GetInterfaceIP "eth0" }}`
	agent.Server.Join = []string{"server-1:4648", "server-2:4648", "server-3:4648"}
	return agent
}

func plaintext() agentconf.Agent {
	return agentconf.Agent{
		Name: "server-1", DataDir: "/nomad/data", Advertise: "172.30.0.11",
		Server: &agentconf.Server{BootstrapExpect: 1},
	}
}

func quiet() agentconf.Agent {
	agent := server()
	agent.LogLevel = "warn"
	return agent
}

func hardened() agentconf.Agent {
	agent := server()
	agent.ACL, agent.TLS.MinVersion, agent.Server.ClientIntroduction = true, "tls12", "strict"
	return agent
}

func hardenedClient() agentconf.Agent {
	agent := client()
	agent.ACL, agent.TLS.MinVersion, agent.Client.RawExec = true, "tls12", false
	return agent
}

// agents are all kinds of configuration that a lab needs, by the names of their golden files.
func agents() map[string]agentconf.Agent {
	return map[string]agentconf.Agent{
		"server.hcl":          server(),
		"extra-node.hcl":      extraNode(),
		"client.hcl":          client(),
		"loopback-client.hcl": loopbackClient(),
		"named.hcl":           named(),
		"plaintext.hcl":       plaintext(),
		"quiet.hcl":           quiet(),
		"hardened.hcl":        hardened(),
		"hardened-client.hcl": hardenedClient(),
	}
}

func mustHCL(t *testing.T, agent agentconf.Agent) []byte {
	t.Helper()
	text, err := agent.HCL()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestHCLMatchesGolden(t *testing.T) {
	for name, agent := range agents() {
		t.Run(name, func(t *testing.T) {
			golden.AssertBytes(t, mustHCL(t, agent), name)
		})
	}
}

func TestGossipMatchesGolden(t *testing.T) {
	golden.AssertBytes(t, agentconf.Gossip("cg8StVXbQJ0gPvMd9o7yrg=="), "gossip.hcl")
}

func TestGossipWithoutKeyIsNoFile(t *testing.T) {
	if file := agentconf.Gossip(""); file != nil {
		t.Errorf("want no file, got %q", file)
	}
}

func TestHCLIsTheSameEveryTime(t *testing.T) {
	for name, agent := range agents() {
		first := mustHCL(t, agent)
		for range 20 {
			if again := mustHCL(t, agent); string(again) != string(first) {
				t.Fatalf("%s: two calls differ:\n%s\n---\n%s", name, first, again)
			}
		}
	}
}
