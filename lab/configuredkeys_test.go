package lab_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"io/fs"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
)

// TestConfiguredFilesAreWhole: what the plan keeps to itself the nodes get.
func TestConfiguredFilesAreWhole(t *testing.T) {
	p := mustPlan(t, configured(""))
	made, err := lab.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	whole := false
	for _, f := range made.Files["server-1"] {
		whole = whole || strings.Contains(string(f.Data), gossipSecret)
		if f.Mode&fs.ModeDir == 0 && f.Mode.Perm() != 0o600 {
			t.Errorf("%s has mode %s", f.Path, f.Mode)
		}
	}
	if !whole {
		t.Error("server-1 does not get the key")
	}
}

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
