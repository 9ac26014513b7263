package agentconf_test

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/agentconf"
)

// fixtureFiles are the configurations of fixtures/config, each as an agent reads it.
func fixtureFiles(t *testing.T) map[string]agentconf.Files {
	t.Helper()
	out := map[string]agentconf.Files{}
	for _, pattern := range []string{"config/*/server", "config/*/client", "config/sound/*/*", "config/one-file/*.hcl"} {
		found, err := fs.Glob(fixtures.Config, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			out[name] = fixtureFolder(t, name)
		}
	}
	return out
}

func fixtureFolder(t *testing.T, name string) (out agentconf.Files) {
	t.Helper()
	names := []string{name}
	if entries, err := fs.ReadDir(fixtures.Config, name); err == nil {
		names = nil
		for _, e := range entries {
			if agentconf.InFolder(e.Name()) {
				names = append(names, path.Join(name, e.Name()))
			}
		}
	}
	for _, n := range names {
		text, err := fs.ReadFile(fixtures.Config, n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, agentconf.NewFile(path.Base(n), text))
	}
	return out
}

// onThisMachine takes out what an agent could not have here, or what would call another host: each by an edit of ours.
func onThisMachine(t *testing.T, files agentconf.Files) agentconf.Files {
	t.Helper()
	for _, off := range []string{"tls.http", "tls.rpc", "client.enabled", "acl.enabled", "audit.enabled", "enable_syslog"} {
		if is, err := files.Flag(off); err != nil || !is {
			continue
		}
		var err error
		if files, err = files.Set(off, "false"); err != nil {
			t.Fatal(err)
		}
	}
	for _, away := range []string{
		"server.retry_join", "server.start_join", "server.server_join", "client.server_join", "consul", "vault", "telemetry.statsd_address",
		"telemetry.statsite_address", "telemetry.datadog_address", "plugin_dir", "log_file", "keyring", "tls.rpc_upgrade_mode", "tls.ca_file", "tls.cert_file", "tls.key_file",
	} {
		if len(files.Lookup(away)) == 0 {
			continue
		}
		var err error
		if files, err = files.Remove(away); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestFixturesAsNomad compares each configuration of fixtures/config with what a real agent has of it.
func TestFixturesAsNomad(t *testing.T) {
	nomad := realNomad(t)
	c := comparison{nomad: nomad}
	c.defaults, c.plain = defaults(t, nomad)
	all := fixtureFiles(t)
	if len(all) < 90 {
		t.Fatalf("only %d configurations were found", len(all))
	}
	for name, files := range all {
		t.Run(name, func(t *testing.T) {
			if err := files.CheckStart(); err != nil {
				t.Errorf("refused as it stands: %v", err)
			}
			if got := c.compare(t, nil, onThisMachine(t, files)); got != taken {
				t.Errorf("it is %s: %s", got, c.last)
			}
		})
	}
	t.Logf("%d configurations, %d settings compared", len(all), c.compared)
	c.inTime(t)
}

// TestFormsAsNomad: files in the forms that are read wrongly most easily. Each is compared with what a real agent has of it.
func TestFormsAsNomad(t *testing.T) {
	nomad := realNomad(t)
	c := comparison{nomad: nomad}
	c.defaults, c.plain = defaults(t, nomad)
	for name, texts := range forms() {
		t.Run(name, func(t *testing.T) {
			var files agentconf.Files
			for i, text := range texts {
				files = append(files, agentconf.NewFile(string(rune('0'+i))+".hcl", []byte(text)))
			}
			want := taken
			if strings.HasPrefix(name, "refused: ") {
				want = refuse
			}
			if got := c.compare(t, nil, files); got != want {
				t.Errorf("it is %s, want %s: %v", got, want, files.Check())
			}
		})
	}
	c.inTime(t)
}

func forms() map[string][]string {
	return map[string][]string{
		"two blocks of one plugin": {"plugin \"raw_exec\" {\n config { enabled = true }\n config { denied_envvars = [\"A\"] }\n}"},
		"one plugin twice":         {"plugin \"raw_exec\" { config { enabled = true } }\nplugin \"raw_exec\" { args = [\"a\"] }"},
		"one plugin in two files":  {"plugin \"raw_exec\" { config { enabled = true } }", "plugin \"raw_exec\" { config { denied_envvars = [\"A\"] } }"},
		"a plugin with nothing":    {"plugin \"raw_exec\" { config { enabled = true } }", "plugin \"raw_exec\" {\n config {\n }\n}"},
		"a list that is emptied":   {"client { template { function_denylist = [\"plugin\"] } }", "client { template { function_denylist = [] } }"},
		"a list that is appended":  {"client { servers = [\"a\"] }", "client { servers = [] }", "client { servers = [\"b\"] }"},
		"a pointer that is false":  {"client { no_host_uuid = true }", "client { no_host_uuid = \"0\" }"},
		"a flag that stays":        {"leave_on_terminate = true", "leave_on_terminate = false"},
		"CRLF":                     {"client {\r\n  node_class = \"a\" # b\r\n  meta {\r\n    x = <<E\r\ny\r\nE\r\n  }\r\n}\r\n"},
		"refused: a BOM":           {"\ufeffregion = \"a\""},
		"refused: a BOM in JSON":   {"\ufeff{\"region\": \"a\"}"},
		"labels of any form": {`client {
  host_volume "app/data" { path = "/a" }
  host_volume "2tb" { path = "/b" }
  host_volume "a:b" { path = "/c" }
  host_volume "Data" { path = "/d" }
  host_volume "data" { path = "/e" }
  host_network "a.b" { interface = "eth0" }
}`, `{"client": {"host_volume": [{"a:b": {"path": "/f"}}, {"new one": {"path": "/g"}}]}}`},
		"JSON in lists":           {`{"client": [{"meta": [{"a": "b"}], "options": {"x": 1}}], "limits": [{"http_max_conns_per_client": "0"}]}`},
		"refused: a member twice": {`{"region": "a", "region": "b"}`},
		"a keyring":               {"keyring \"aead\" {\n active = true\n}", `{"keyring": {"aead": {"active": true}}}`},
		"sinks, which need no licence to be read": {"audit { sink \"a\" { type = \"file\" }\n filter \"f\" { type = \"HTTPEvent\" } }", "audit { sink \"a\" { format = \"json\" } }"},
		"a UI without a word":                     {"ui { label { text = \"x\" } }"},
		"durations":                               {"acl { token_ttl = \"1h\" }\nserver { heartbeat_grace = \"90s\" }", `{"acl": {"token_ttl": "0s", "role_ttl": "5m"}}`},
		"names that Nomad takes":                  {"region = \"eu_central\"\ndatacenter = \"DMZ\"", "region = \"Global\""},
		"refused: a doubled block":                {"tls {\n}\ntls {\n}"},
		"refused: an empty label":                 {`{"keyring": {}}`},
		"refused: empty volumes":                  {`{"client": {"host_volume": [{}, {}]}}`},
		"refused: an unknown name":                {"client {\n  node_klass = \"a\"\n}"},
	}
}

// TestBrokenFixtures: of the inputs of fixtures/config/invalid those that Nomad refuses over what they say are refused with their
// line, before an agent is started.
func TestBrokenFixtures(t *testing.T) {
	// What a lab has otherwise, what only a reader with the file's purpose can know, and a look at this machine.
	elsewhere := []string{
		"neither-role.hcl", "empty.hcl", "no-data-dir.hcl", "client-as-server.hcl", "server-as-client.hcl", "both-roles.hcl", "truncated.json",
		"unknown-tls-version.hcl", "certificates-missing.hcl",
	}
	entries, err := fs.ReadDir(fixtures.Config, "config/invalid")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		err := fixtureFolder(t, "config/invalid/"+e.Name()).CheckStart()
		if at, _, _ := strings.Cut(e.Name(), "\x00"); (err == nil) != slices.Contains(elsewhere, e.Name()) || err != nil && !strings.HasPrefix(err.Error(), at+":") {
			t.Errorf("%s: got %v", e.Name(), err)
		}
	}
}
