package fit_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/fit"
)

// server is a place for a server in a container.
func server() fit.Place {
	return fit.Place{
		Server: true, Name: "server-1", Address: netip.MustParseAddr("172.30.0.11"), Contained: true, Data: "/nomad/data",
		LogLevel: "INFO", Join: []string{"172.30.0.11:4648", "172.30.0.12:4648"}, Expect: 3,
	}
}

// onLoopback is one for a server among this machine's processes.
func onLoopback() fit.Place {
	p := server()
	p.Address, p.Contained, p.Data = netip.MustParseAddr("127.80.0.11"), false, "/tmp/x/server-1/data"
	p.TLS = func(setting string) string { return "/tmp/x/server-1/tls/" + strings.TrimPrefix(setting, "tls.") }
	return p
}

// client is a place for a client in a container.
func client() fit.Place {
	p := server()
	p.Server, p.Name, p.Join = false, "client-1", []string{"172.30.0.11:4647"}
	return p
}

func one(text string) agentconf.Files {
	return agentconf.Files{agentconf.NewFile("mine.hcl", []byte(text))}
}

func mustFit(t *testing.T, files agentconf.Files, p fit.Place) fit.Fitted {
	t.Helper()
	f, err := fit.Fit(files, p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAddresses: a loopback address and a wildcard stay what they are, every other becomes the node's.
func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		name, text        string
		bind, http        string // as the agent reads them
		inside            bool   // the HTTP port is on the node's loopback alone
		here, hereHTTP    string // the same among this machine's processes
		advertise, became string // the address to which others connect
	}{
		{name: "nothing", text: "", bind: "", here: "127.80.0.11"},
		{name: "wildcard", text: `bind_addr = "0.0.0.0"`, bind: "0.0.0.0", here: "127.80.0.11"},
		{name: "wildcard of IPv6", text: `bind_addr = "::"`, bind: "::", here: "127.80.0.11"},
		{name: "loopback", text: `bind_addr = "127.0.0.1"`, bind: "127.0.0.1", inside: true, here: "127.80.0.11"},
		{name: "an address", text: `bind_addr = "10.0.0.7"`, bind: "172.30.0.11", here: "127.80.0.11"},
		{name: "a template", text: `bind_addr = "{{ GetPrivateIP }}"`, bind: "172.30.0.11", here: "127.80.0.11"},
		{
			name: "a template of loopback", text: `bind_addr = "{{ GetInterfaceIP \"lo\" }}"`,
			bind: `{{ GetInterfaceIP "lo" }}`, inside: true, here: "127.80.0.11",
		},
		{
			name: "HTTP on loopback", text: `addresses { http = "127.0.0.1" }`, http: "127.0.0.1", inside: true,
			here: "127.80.0.11", hereHTTP: "127.80.0.11",
		},
		{
			name: "HTTP on loopback and an address", text: `addresses { http = "127.0.0.1 10.0.0.7" }`, http: "127.0.0.1 172.30.0.11",
			here: "127.80.0.11", hereHTTP: "127.80.0.11 127.80.0.11",
		},
		{
			name: "advertised with a port", text: `advertise { http = "10.0.0.7:4646" }`, here: "127.80.0.11",
			advertise: "172.30.0.11:4646", became: "127.80.0.11:4646",
		},
		{
			name: "advertised by a template", text: `advertise { http = "{{ GetInterfaceIP \"ens5\" }}" }`, here: "127.80.0.11",
			advertise: "172.30.0.11", became: "127.80.0.11",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := mustFit(t, one(test.text), server())
			got := []string{f.Files.Text("bind_addr"), f.Files.Text("addresses.http"), f.Files.Text("advertise.http")}
			if diff := cmp.Diff([]string{test.bind, test.http, test.advertise}, got); diff != "" {
				t.Errorf("in a container (-want +got):\n%s", diff)
			}
			if f.Inside[f.Ports.HTTP] != test.inside {
				t.Errorf("HTTP is on loopback alone: %t, want %t", !test.inside, test.inside)
			}
			f = mustFit(t, one(test.text), onLoopback())
			if got := []string{f.Files.Text("bind_addr"), f.Files.Text("addresses.http")}; !cmp.Equal(got, []string{test.here, test.hereHTTP}) {
				t.Errorf("as a process: %q", got)
			}
			if f.Inside[f.Ports.HTTP] {
				t.Error("as a process every node has a loopback address of its own, which is reached")
			}
			if got := f.Files.Text("advertise.http"); test.became != "" && got != test.became {
				t.Errorf("as a process it advertises %q, want %q", got, test.became)
			}
		})
	}
}

// TestAnAgentThatNomadWouldRefuse: an agent on loopback that advertises nothing is refused by Nomad, and is not mended.
func TestAnAgentThatNomadWouldRefuse(t *testing.T) {
	f := mustFit(t, one(`bind_addr = "127.0.0.1"`), onLoopback())
	if got := f.Files.Text("advertise.rpc"); got != "" {
		t.Errorf("it advertises %q, which its user did not", got)
	}
}

// TestWhatIsCheckedStays: none of the settings that promises rest on is touched.
func TestWhatIsCheckedStays(t *testing.T) {
	const text = `
server {
  enabled = true
  bootstrap_expect = 5
  encrypt = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg="
  client_introduction { enforcement = "none" }
}
tls {
  http = true
  rpc = false
  verify_server_hostname = false
  verify_https_client = true
  rpc_upgrade_mode = true
  tls_min_version = "tls10"
  ca_file = "/etc/nomad/ca.pem"
  cert_file = "/etc/nomad/cert.pem"
  key_file = "/etc/nomad/key.pem"
}
acl { enabled = true }
limits { http_max_conns_per_client = 0 }
enable_debug = true
telemetry { publish_node_metrics = true }
plugin "raw_exec" { config { enabled = true } }
`
	f := mustFit(t, one(text), server())
	if got := string(f.Files[0].Text()); got != text {
		t.Errorf("the file was changed (-want +got):\n%s", cmp.Diff(text, got))
	}
	for _, r := range f.Replaced {
		if r.File != "" {
			t.Errorf("told to have been replaced: %+v", r)
		}
	}
	if f.CAFile != "/etc/nomad/ca.pem" || f.CertFile != "/etc/nomad/cert.pem" || f.KeyFile != "/etc/nomad/key.pem" {
		t.Errorf("the credential is at %s, %s, %s", f.CAFile, f.CertFile, f.KeyFile)
	}
}

// TestReplaced: each line that is not used as it stands is reported with its place and its reason.
func TestReplaced(t *testing.T) {
	const text = `data_dir = "/opt/nomad"
server {
  enabled = true
  retry_join = ["provider=aws tag_key=nomad secret_access_key=hush"]
}
consul { address = "10.0.0.1:8500" }
telemetry {
  statsd_address = "10.0.0.2:8125"
  prometheus_metrics = true
}
plugin "nomad-driver-podman" { config { socket_path = "unix:///run/podman.sock" } }
plugin "docker" { config { allow_privileged = false } }
`
	f := mustFit(t, one(text), server())
	got := map[string]fit.Replaced{}
	for _, r := range f.Replaced {
		got[r.Setting] = r
		if strings.Contains(r.Was+r.Became, "hush") {
			t.Errorf("a secret is told: %+v", r)
		}
	}
	for setting, line := range map[string]int{
		"data_dir": 1, "server.retry_join": 4, "consul": 6, "telemetry.statsd_address": 8, "plugin.nomad-driver-podman": 11,
		"server.bootstrap_expect": 0, "disable_update_check": 0,
	} {
		r, told := got[setting]
		if !told || r.Line != line || r.Because == "" || (line > 0) != (r.File == "mine.hcl") {
			t.Errorf("%s: %+v, want it told with line %d", setting, r, line)
		}
	}
	for _, setting := range []string{"consul.address", "telemetry.statsd_address", "server.retry_join", "plugin.nomad-driver-podman"} {
		if lines := f.Files.Lookup(setting); len(lines) > 0 {
			t.Errorf("%s still stands: %v", setting, lines)
		}
	}
	for _, setting := range []string{"telemetry.prometheus_metrics", "plugin.docker.config.allow_privileged"} {
		if len(f.Files.Lookup(setting)) == 0 {
			t.Errorf("%s was taken out, which a lab can have", setting)
		}
	}
	if join, err := f.Files.Texts("server.server_join.retry_join"); err != nil || len(join) != 2 {
		t.Errorf("it joins %v: %v", join, err)
	}
}

// TestClient: what an agent of a lab must not call or find stays denied beside what its user denies.
func TestClient(t *testing.T) {
	const text = `
client {
  enabled = true
  servers = ["10.0.0.1:4647"]
  network_interface = "ens5"
  options { "fingerprint.denylist" = "network" }
  host_volume "data" { path = "/srv/data" }
}`
	f := mustFit(t, one(text), client())
	denied := f.Files.Text(`client.options."fingerprint.denylist"`)
	for _, name := range []string{"network", "env_aws", "consul"} {
		if !strings.Contains(","+denied+",", ","+name+",") {
			t.Errorf("%s is not denied: %s", name, denied)
		}
	}
	if servers, err := f.Files.Texts("client.servers"); err != nil || !cmp.Equal(servers, []string{"172.30.0.11:4647"}) {
		t.Errorf("its servers are %v: %v", servers, err)
	}
	for _, gone := range []string{"client.network_interface", "client.host_volume.data"} {
		if lines := f.Files.Lookup(gone); len(lines) > 0 {
			t.Errorf("%s still stands", gone)
		}
	}
}

// TestFoldersOfPrograms: no client runs what lies in a folder of its user's machine. On this machine's loopback nothing else keeps such
// a folder off, and every caller that reaches the agent could have its programs run as the user.
func TestFoldersOfPrograms(t *testing.T) {
	process := onLoopback()
	process.Server = false
	for setting, texts := range map[string][]string{
		"client.host_volume_plugin_dir": {
			"client {\n  enabled = true\n  host_volume_plugin_dir = \"/opt/programs\"\n}\n",
			`{"client": {"enabled": true, "host_volume_plugin_dir": "/opt/programs"}}`,
		},
		"client.common_plugin_dir": {
			"client {\n  enabled = true\n  common_plugin_dir = \"/opt/programs\"\n}\n",
			`{"client": {"enabled": true, "common_plugin_dir": "/opt/programs"}}`,
		},
		"plugin_dir": {
			"client { enabled = true }\nplugin_dir = \"/opt/programs\"\n",
			`{"client": {"enabled": true}, "plugin_dir": "/opt/programs"}`,
		},
	} {
		for _, text := range texts {
			for where, place := range map[string]fit.Place{"in a container": client(), "as a process": process} {
				f := mustFit(t, one(text), place)
				told := slices.ContainsFunc(f.Replaced, func(r fit.Replaced) bool {
					return r.Setting == setting && r.Was == `"/opt/programs"` && r.Line > 0 && r.Because != ""
				})
				if lines := f.Files.Lookup(setting); len(lines) > 0 || !told {
					t.Errorf("%s, %s: it stands at %v, told that it does not: %t", where, text, lines, told)
				}
			}
		}
	}
}

// TestPorts: an agent's ports are its user's.
func TestPorts(t *testing.T) {
	f := mustFit(t, one(`ports { http = 14646 }`), server())
	if want := (fit.Ports{HTTP: 14646, RPC: 4647, Serf: 4648}); f.Ports != want {
		t.Errorf("got %+v, want %+v", f.Ports, want)
	}
	if unset := mustFit(t, one(`ports { http = 0 }`), server()); unset.Ports != mustFit(t, one(``), server()).Ports {
		t.Errorf("a port of 0, which Nomad takes for none, is %+v", unset.Ports)
	}
	if _, err := fit.Fit(one("\nports { http = 70000 }"), server()); err == nil || !strings.Contains(err.Error(), ":2: ports.http is 70000") {
		t.Errorf("a port beyond the last: %v", err)
	}
}

// TestTheGivenFilesStay: nothing of the user's is written to.
func TestTheGivenFilesStay(t *testing.T) {
	given := one(`data_dir = "/opt/nomad"`)
	mustFit(t, given, onLoopback())
	if got := string(given[0].Text()); got != `data_dir = "/opt/nomad"` {
		t.Errorf("the given text is now %q", got)
	}
}
