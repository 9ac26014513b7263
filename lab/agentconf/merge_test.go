package agentconf_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
)

// merging are three files of one agent, the second of them in JSON.
func merging() agentconf.Files {
	return agentconf.Files{
		agentconf.NewFile("a.hcl", []byte(`region = "one"
name   = "n"
disable_update_check = true
tls {
  http = true
  rpc  = false
}
client {
  servers = ["a", "b"]
  server_join {
    retry_join = ["x"]
    retry_max  = 3
  }
  meta { "a.b" = "c" }
  options = {
    "driver.allowlist" = "docker"
  }
  host_volume "logs" {
    path      = "/logs"
    read_only = true
  }
  host_volume "my.data" {}
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
plugin "docker" {
  config {
    allow_privileged = true
  }
}
limits { http_max_conns_per_client = 100 }
`)),
		agentconf.NewFile("b.json", []byte(`{
  "Region": "two", "name": "",
  "disable_update_check": false,
  "tls": [{"rpc": "1", "http": false}],
  "client": {
    "servers": ["c"],
    "server_join": {"retry_join": ["y", "z"], "retry_max": 0},
    "host_volume": {"logs": {"path": "/other"}}
  },
  "plugin": [{"docker": [{"config": [{"volumes": [{"enabled": true}]}]}]}],
  "limits": {"http_max_conns_per_client": 0}
}
`)),
		agentconf.NewFile("c.hcl", []byte("# nothing\nplugin \"docker\" {\n}\n")),
	}
}

func TestMerge(t *testing.T) {
	files := merging()
	if err := files.Check(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"region": "two", "REGION": "two", "name": "n", "datacenter": "", "tls": "", "client.servers": "", "client.meta.a": "",
		`client.meta."a.b"`: "c", `client.options."driver.allowlist"`: "docker", "client.host_volume.logs.path": "/other",
		"tls.rpc": "true", "no path.": "",
	} {
		if got := files.Text(path); got != want {
			t.Errorf("Text(%s) is %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]bool{
		"tls.http": true, "tls.rpc": true, "tls.verify_https_client": false, "disable_update_check": false,
		"client.host_volume.logs.read_only": false, // the later volume is another one as a whole
		"plugin.raw_exec.config.enabled":    true, "plugin.docker.config.volumes.enabled": true,
		"plugin.docker.config.allow_privileged": false, // the later config takes its place, the empty one after it does not
	} {
		if got, err := files.Flag(path); err != nil || got != want {
			t.Errorf("Flag(%s) is %v, %v, want %v", path, got, err, want)
		}
	}
	for path, want := range map[string]int{"client.server_join.retry_max": 3, "limits.http_max_conns_per_client": 0} {
		if got, stands, err := files.Number(path); err != nil || !stands || got != want {
			t.Errorf("Number(%s) is %v, %v, %v, want %v", path, got, stands, err, want)
		}
	}
	if got, stands, err := files.Number("ports.http"); err != nil || stands || got != 0 {
		t.Errorf("a number that is nowhere is %v, %v, %v", got, stands, err)
	}
	for path, want := range map[string][]string{
		"client.servers": {"a", "b", "c"}, "client.server_join.retry_join": {"y", "z"}, "region": {"two"}, "server.start_join": nil,
	} {
		if got, err := files.Texts(path); err != nil || !cmp.Equal(got, want) {
			t.Errorf("Texts(%s) is %q, %v, want %q", path, got, err, want)
		}
	}
}

// TestMergeOverDefaults: Nomad merges the first file too, over what it has without any. What its merge does not look at is lost
// there, and what counts above zero alone stays at its default (seen with 1.11.3).
func TestMergeOverDefaults(t *testing.T) {
	for text, path := range map[string]string{
		`client { log_file = "x" }`:               "client.log_file",
		`server { log_file = "x" }`:               "server.log_file",
		`rpc { keep_alive_interval = "0s" }`:      "rpc.keep_alive_interval",
		`rpc { connection_write_timeout = "0s" }`: "rpc.connection_write_timeout",
	} {
		if got := (agentconf.Files{agentconf.NewFile("a.hcl", []byte(text))}).Text(path); got != "" {
			t.Errorf("%s is read as %q", text, got)
		}
	}
	two := agentconf.Files{agentconf.NewFile("a.hcl", []byte(`rpc { keep_alive_interval = "5s" }`)), agentconf.NewFile("b.hcl", []byte(`rpc { keep_alive_interval = "0s" }`))}
	if got := two.Text("rpc.keep_alive_interval"); got != "5s" {
		t.Errorf("of two files %q counts, want the first", got)
	}
}

func TestMergeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		read func(agentconf.Files) error
		want string
	}{
		"a flag":      {func(f agentconf.Files) error { _, err := f.Flag("region"); return err }, "read region: it is no boolean"},
		"a number":    {func(f agentconf.Files) error { _, _, err := f.Number("region"); return err }, "no whole number"},
		"a list":      {func(f agentconf.Files) error { _, err := f.Texts("tls"); return err }, "is a block"},
		"a path":      {func(f agentconf.Files) error { _, err := f.Texts("a..b"); return err }, `"" is no name`},
		"a bad file":  {func(f agentconf.Files) error { _, err := append(f, file("a = ?")...).Flag("tls.http"); return err }, "agent.hcl:1:5"},
		"no changes":  {func(f agentconf.Files) error { _, err := append(f, file("a = ?")...).Set("a", "1"); return err }, "cannot be read"},
		"no removing": {func(f agentconf.Files) error { _, err := append(f, file("a = ?")...).Remove("a"); return err }, "cannot be read"},
	} {
		if err := c.read(merging()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	files := merging()
	for path, want := range map[string][]agentconf.Line{
		"tls.http":            {{"a.hcl", 5, "true"}, {"b.json", 4, "false"}},
		"region":              {{"a.hcl", 1, `"one"`}, {"b.json", 2, `"two"`}},
		"tls":                 {{"a.hcl", 4, "{ … }"}, {"b.json", 4, "{ … }"}},
		"client.servers":      {{"a.hcl", 9, `["a", "b"]`}, {"b.json", 6, `["c"]`}},
		"client.options":      {{"a.hcl", 15, "{ … }"}},
		"plugin.docker":       {{"a.hcl", 29, "{ … }"}, {"b.json", 10, "{ … }"}, {"c.hcl", 2, "{ … }"}},
		"server.encrypt":      nil,
		"no path":             nil,
		"client.servers.name": nil,
	} {
		if diff := cmp.Diff(want, files.Lookup(path)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", path, diff)
		}
	}
}

func TestNames(t *testing.T) {
	files := merging()
	for name, c := range map[string]struct{ got, want []string }{
		"plugins":    {files.Labels("plugin"), []string{"raw_exec", "docker"}},
		"volumes":    {files.Labels("client.host_volume"), []string{"logs", "my.data"}},
		"none":       {files.Labels("keyring"), nil},
		"the top":    {files.Names(""), []string{"region", "name", "disable_update_check", "tls", "client", "plugin", "limits"}},
		"a block":    {files.Names("tls"), []string{"http", "rpc"}},
		"a map":      {agentconf.Files{agentconf.NewFile("m.hcl", []byte(`client { meta { k = "v" } meta = { K = "w", k = "x" } }`))}.Names("client.meta"), []string{"k", "K"}},
		"a volume":   {files.Names("client.host_volume.logs"), []string{"path", "read_only"}},
		"the quoted": {files.Names("client.options"), []string{"driver.allowlist"}},
		"a line":     {files.Names("region"), nil},
		"no path":    {files.Names("a b"), nil},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
	if got, want := agentconf.Path("client", "options", `a."b`), `client.options."a.\"b"`; got != want {
		t.Errorf("the path is %s, want %s", got, want)
	}
	set, err := files.Set(agentconf.Path("client", "options", `a."b`), `"v"`)
	if err != nil || set.Text(agentconf.Path("client", "options", `a."b`)) != "v" {
		t.Errorf("set it to %q, %v", set.Text(agentconf.Path("client", "options", `a."b`)), err)
	}
}

// TestSetOverFiles: afterwards the merged value is the one that was set.
func TestSetOverFiles(t *testing.T) {
	files := merging()
	for path, value := range map[string]bool{
		"tls.http": false, "tls.rpc": false, "tls.verify_https_client": true, "plugin.docker.config.allow_privileged": true,
		"client.host_volume.logs.read_only": true, "disable_update_check": true, "plugin.raw_exec.config.enabled": false,
	} {
		word := map[bool]string{true: "true", false: "false"}[value]
		set, err := files.Set(path, word)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got, err := set.Flag(path); err != nil || got != value {
			t.Errorf("%s is %v, %v after it was set to %v", path, got, err, value)
		}
		for _, line := range set.Lookup(path) {
			if line.Value != word {
				t.Errorf("%s: %v still says something else", path, line)
			}
		}
	}
	for _, path := range []string{"client.servers", "client.server_join.retry_join", "server.retry_join"} {
		set, err := files.Set(path, `["q"]`)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got, err := set.Texts(path); err != nil || !cmp.Equal(got, []string{"q"}) {
			t.Errorf("%s is %q, %v after it was set", path, got, err)
		}
	}
	removed, err := files.Remove("tls")
	if err != nil || len(removed.Lookup("tls")) > 0 || len(removed.Names("client")) != len(files.Names("client")) {
		t.Errorf("after tls was taken out: %v, %v, %v", removed.Lookup("tls"), removed.Names("client"), err)
	}
	if diff := cmp.Diff(shown(merging()), shown(files)); diff != "" {
		t.Errorf("the files themselves changed:\n%s", diff)
	}
	listed := agentconf.Files{agentconf.NewFile("l.hcl", []byte(`client { template { function_denylist = ["a", "b"] } }`))}
	for range 2 {
		list, err := listed.Texts("client.template.function_denylist")
		if err != nil || !slices.Equal(list, []string{"a", "b"}) {
			t.Fatalf("the list that was asked for is %q now, %v", list, err)
		}
		list[0] = "c" // who asked for it may change it
	}
	files[2].Text()[0] = '/'
	if files[2].Text()[0] != '#' {
		t.Error("who asks a file for its text can change it")
	}
}

// TestSetAddsWhereItBelongs: to the block that is there, else to the last file.
func TestSetAddsWhereItBelongs(t *testing.T) {
	for path, want := range map[string]string{
		"tls.verify_https_client": "b.json", "client.meta.x": "a.hcl", "client.node_class": "b.json", "server.encrypt": "c.hcl", "ports.http": "c.hcl",
	} {
		set, err := merging().Set(path, "1")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got := set.Lookup(path); len(got) != 1 || got[0].File != want {
			t.Errorf("%s stands in %v, want it once in %s", path, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"HCL":            {"tls {\n  http = yes\n}\n", "agent.hcl:2:10: Unknown token: 2:10 IDENT yes"},
		"a brace":        {"tls {\n", "agent.hcl:2:2: object expected closing RBRACE got: EOF"},
		"a character":    {"a = 1\n;", "agent.hcl:2:1: illegal char"},
		"a BOM":          {"\ufeffa = 1\n", "agent.hcl:1:1: illegal char"},
		"JSON":           {"{\n  \"a\": 1,\n  b: 2\n}", "agent.hcl:3:3: illegal char"},
		"a JSON list":    {"{\n  \"a\": [\n null]}", "agent.hcl:3:2: unexpected token while parsing list: NULL"},
		"a JSON comment": {"{\n  # c\n}", "agent.hcl:2:3: illegal char: #"},
		"a list alone":   {"[1]", "agent.hcl:1:1: expected: IDENT"},
		// Nomad itself ends with a panic at these.
		"a broken escape": {`a = "\'"`, "agent.hcl:1:"},
		"half a letter":   {`{"a": "\ud83d"}`, "agent.hcl:1:7: HCL 1 fails on it"},
		"half a name":     {`{"\ud83d": 1, "a": [null]}`, "agent.hcl:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			err := append(merging(), file(c.text)...).Check()
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	both := append(file("a = ?"), agentconf.NewFile("x.json", []byte(`{"a"`)), agentconf.NewFile("y", []byte("}")))
	if err := both.Check(); err == nil || !strings.Contains(err.Error(), "agent.hcl:") || !strings.Contains(err.Error(), "y:1:1") {
		t.Errorf("two bad files: got %v", err)
	}
}

func TestInFolder(t *testing.T) {
	for name, want := range map[string]bool{
		"a.hcl": true, "a.json": true, ".hcl": true, "a.hcl~": false, ".#a.hcl": false, "#a.hcl#": false, "#a.hcl": true,
		"a.HCL": false, "a.hcl.bak": false, "a": false, "": false,
	} {
		if got := agentconf.InFolder(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// TestBoolean: a boolean is one in every way in which Nomad takes it, and nothing else is.
func TestBoolean(t *testing.T) {
	const option = `client.options."driver.raw_exec.enable"`
	for _, c := range []struct {
		path, value string
		on, is      bool
	}{
		{"tls.rpc", "true", true, true}, {"tls.rpc", `"0"`, false, true}, {"tls.rpc", "1", true, true}, {"tls.rpc", `"TRUE"`, true, true},
		{"client.template.disable_file_sandbox", `"0"`, false, true}, {"consul.ssl", `"t"`, true, true}, {"vault.tls_skip_verify", `"F"`, false, true},
		{"plugin.raw_exec.config.enabled", `"1"`, true, true}, {"plugin.raw_exec.config.enabled", `"t"`, false, false},
		{option, `"t"`, true, true}, {option, "0", false, true}, {option, `"yes"`, false, false},
		{"client.options.x", `"1"`, false, false}, {"region", `"1"`, false, false}, {"region", `"true"`, false, false},
		{"limits.http_max_conns_per_client", "1", false, false}, {"there.is.none", "true", false, false},
	} {
		files := file("server { enabled = true }")
		set, err := files.Set(c.path, c.value)
		if err != nil && c.path != "there.is.none" {
			t.Errorf("%s = %s: %v", c.path, c.value, err)
			continue
		}
		if on, is := set.Boolean(c.path); on != c.on || is != c.is {
			t.Errorf("%s = %s is %v, a boolean: %v; want %v and %v", c.path, c.value, on, is, c.on, c.is)
		}
	}
}
