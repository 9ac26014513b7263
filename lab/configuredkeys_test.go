package lab_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestConfiguredInOneFile: a certificate and its key may stand in one file, as many agents have them.
func TestConfiguredInOneFile(t *testing.T) {
	spec := configured("")
	file := &spec.Configuration.Server.Files[0]
	*file = agentconf.NewFile(file.Name(), bytes.ReplaceAll(file.Text(), []byte("agent-key.pem"), []byte("agent.pem")))
	made, err := lab.Provision(mustPlan(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	var found [][]byte
	for _, f := range made.Files["server-1"] {
		if strings.HasSuffix(f.Path, "/agent.pem") {
			found = append(found, f.Data)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d files of that path", len(found))
	}
	if _, err := tls.X509KeyPair(found[0], found[0]); err != nil {
		t.Error(err)
	}
}

// TestConfiguredSuites: where all cipher suites are for RSA keys the certificates have one, else no agent would start.
func TestConfiguredSuites(t *testing.T) {
	for suites, want := range map[string]bool{
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":                                         true,
		"TLS_RSA_WITH_AES_128_GCM_SHA256":                                               true,
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": false,
		"": false,
	} {
		spec := configured("")
		server := &spec.Configuration.Server
		server.Files = append(server.Files, agentconf.NewFile("mine/suites.hcl", []byte("tls { tls_cipher_suites = \""+suites+"\" }\n")))
		made, err := lab.Provision(mustPlan(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		var cert, key []byte
		for _, f := range made.Files["server-1"] {
			switch {
			case strings.HasSuffix(f.Path, "/agent.pem"):
				cert = f.Data
			case strings.HasSuffix(f.Path, "/agent-key.pem"):
				key = f.Data
			}
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, is := pair.PrivateKey.(*rsa.PrivateKey); is != want {
			t.Errorf("%q: an RSA key: %t, want %t", suites, is, want)
		}
	}
}

// TestStandIn: whose certificates the lab has issued is said of each role, however the other's were handed in.
func TestStandIn(t *testing.T) {
	const named, bare = "tls { cert_file = \"/etc/a.pem\" }\n", "datacenter = \"dc1\"\n"
	agents := func(text string, handedIn bool) spec.AgentConfiguration {
		var a spec.AgentConfiguration
		if text != "" {
			a.Files = agentconf.Files{agentconf.NewFile("mine/agent.hcl", []byte(text))}
		}
		if handedIn {
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
		"none handed in":             {&spec.Configuration{Server: agents(named, false), Client: agents(named, false)}, "hand yours in with --tls-dir", "hand yours in with --tls-dir"},
		"none named":                 {&spec.Configuration{Server: agents(bare, false), Client: agents(bare, false)}, "names no certificate", "names no certificate"},
		"the servers' alone":         {&spec.Configuration{Server: agents(named, true), Client: agents(named, false)}, "", "--client-tls-dir"},
		"the clients' alone":         {&spec.Configuration{Server: agents(named, false), Client: agents(named, true)}, "--server-tls-dir", ""},
		"the clients name none":      {&spec.Configuration{Server: agents(named, true), Client: agents(bare, false)}, "", "your clients' configuration names no certificate"},
		"there are no clients":       {&spec.Configuration{Server: agents(named, true), Client: agents("", false)}, "", ""},
		"no clients, none handed in": {&spec.Configuration{Server: agents(named, false), Client: agents("", false)}, "hand yours in with --tls-dir", ""},
	} {
		for role, want := range map[pki.Role]string{pki.Server: test.server, pki.Client: test.client} {
			if got := test.c.StandIn(role); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s, %ss: %q, want %q in it", name, role, got, want)
			}
		}
	}
}
