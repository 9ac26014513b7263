package regress_test

import (
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
)

// readServers reads a configuration of servers alone.
func readServers(t *testing.T, text string) regress.Source {
	t.Helper()
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(written(t, map[string]string{"s.hcl": text}), "s.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readBoth reads a configuration of both roles, in which servers have the number that it says.
func readBoth(t *testing.T, servers string) regress.Source {
	t.Helper()
	const encrypted = "tls {\n  http = true\n  rpc = true\n  ca_file = \"/etc/nomad.d/ca.pem\"\n  cert_file = \"/etc/nomad.d/agent.pem\"\n  key_file = \"/etc/nomad.d/agent-key.pem\"\n}\n"
	folder := written(t, map[string]string{
		"s.hcl": strings.Replace(before(soundServer, "tls"), "= 5", "= "+servers, 1) + encrypted, "c.hcl": soundClient + encrypted,
	})
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(folder, "s.hcl")}, Client: []string{filepath.Join(folder, "c.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// before is a text up to a word. Nomad refuses a file in which a block such as tls stands twice.
func before(text, word string) string {
	text, _, _ = strings.Cut(text, word)
	return text
}

// TestApplies: a mutation that would change nothing of the configuration is not run, and says why.
func TestApplies(t *testing.T) {
	s := readServers(t, before(soundServer, "tls")+`
tls {
  http = true
  verify_https_client = false
  cert_file = "/etc/nomad.d/server.pem"
  key_file  = "/etc/nomad.d/server-key.pem"
}
limits { http_max_conns_per_client = 100 }
`)
	for id, want := range map[string]string{
		"server-plain-http":                        "",
		"server-https-for-everybody":               "is false as it is",
		"client-plain-http":                        "no configuration of a client",
		"no-gossip-key":                            "stands nowhere",
		"documented-gossip-key":                    "",
		"default-limits.http_max_conns_per_client": "",
		"default-limits.https_handshake_timeout":   "stands nowhere",
		"server-key-for-everybody":                 "no file with a private key of a server was read",
		"server-certificate-expired":               "",
		"server-names-not-verified":                "decides nothing without tls.rpc",
		"server-tls-10":                            "",
		"server-introduction-warn":                 "is \"warn\" as it is",
		"server-each-alone":                        "",
		"server-begins-alone":                      "",
		"overlay-of-false":                         "",
	} {
		demandApplies(t, s, id, want)
	}
}

// TestAppliesToFewServers: where there are not three servers, none is sound without one of them; where there is one, none lacks
// a leader.
func TestAppliesToFewServers(t *testing.T) {
	const takesThree = "it takes one server of three"
	for servers, want := range map[string]map[string]string{
		"1": {
			"server-other-gossip-key": takesThree, "server-begins-alone": takesThree, "server-certificate-expired": takesThree,
			"server-each-alone":                  "there is one server",
			"servers-with-certificate-of-client": "there is one server", "servers-certificate-expired": "there is one server",
			"server-tls-10": "", "client-tls-10": "", "client-certificate-expired": "",
			"documented-gossip-key": "", "client-raw-exec": "", "client-other-pool": "unless server.client_introduction.enforcement is strict",
		},
		"2": {
			"server-other-gossip-key": takesThree, "server-begins-alone": takesThree, "server-certificate-expired": takesThree,
			"server-each-alone": "", "servers-certificate-expired": "", "server-tls-10": "",
		},
		"3": {
			"server-other-gossip-key": "", "server-begins-alone": "", "server-certificate-expired": "",
			"server-each-alone": "", "servers-certificate-expired": "", "server-tls-10": "", "client-certificate-expired": "",
		},
	} {
		t.Run(servers, func(t *testing.T) {
			s := readBoth(t, servers)
			for id, reason := range want {
				demandApplies(t, s, id, reason)
			}
		})
	}
}

// demandApplies demands that the mutation of the ID applies, or that it does not for that reason.
func demandApplies(t *testing.T, s regress.Source, id, reason string) {
	t.Helper()
	m, err := mutation.ByID(id)
	if err != nil {
		t.Error(err)
		return
	}
	if got := regress.WhyInapplicable(m, s); (got == "") != (reason == "") || !strings.Contains(got, reason) {
		t.Errorf("%s: it does not apply because %q, want %q", id, got, reason)
	}
}

// TestMutationsAreOfConfiguration: none is of a running cluster or of a lab alone.
func TestMutationsAreOfConfiguration(t *testing.T) {
	all := regress.Mutations()
	if len(all) < fewest || len(all) == len(mutation.All()) {
		t.Fatalf("%d mutations of %d", len(all), len(mutation.All()))
	}
	for _, m := range all {
		if m.Live != nil && len(m.Lines) == 0 || len(m.Lab) > 0 {
			t.Errorf("%s cannot be made of a user's configuration", m.ID)
		}
	}
}

// TestOverlayIsACopy: a mutation changes nothing of what all others start from.
func TestOverlayIsACopy(t *testing.T) {
	s := readServers(t, soundServer)
	changed := 0
	for _, m := range regress.Mutations() {
		if after := regress.Mutated(m, s); m.Overlay != "" && len(after.Configuration.Server.Files) == 2 {
			changed++
		}
	}
	if n := len(s.Configuration.Server.Files); n != 1 || string(s.Configuration.Server.Files[0].Text()) != soundServer {
		t.Errorf("the configuration has %d files now", n)
	}
	if changed == 0 {
		t.Error("no mutation is an overlay: nothing was proved")
	}
}

// TestOtherPoolNeedsIntroduction: where a client must be introduced, its node pool decides whether it is let in.
func TestOtherPoolNeedsIntroduction(t *testing.T) {
	demandApplies(t, source(t, "hardened"), "client-other-pool", "")
}
