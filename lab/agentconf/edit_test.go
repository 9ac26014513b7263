package agentconf_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
)

const editable = `name = "n"

# How to speak.
tls {
  # Both ports.
  http = true
  rpc  = true # and Raft
}
client {
  options = { "a.b" = "c" }
}
plugin "raw_exec" {
  config {
    enabled = false
  }
}
`

// unaligned is a text without the spaces that line up its columns.
func unaligned(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return out.String()
}

func TestEdit(t *testing.T) {
	for name, c := range map[string]struct{ path, value, from, to string }{
		"a line":               {"tls.http", "false", "  http = true\n", "  http = false # by the lab's spec\n"},
		"one with a comment":   {"tls.rpc", "false", "rpc  = true #", "rpc  = false # by the lab's spec #"},
		"a line of the top":    {"name", `"m"`, `name = "n"`, `name = "m" # by the lab's spec`},
		"in a block of a name": {"plugin.raw_exec.config.enabled", "true", "enabled = false", "enabled = true # by the lab's spec"},
		"a map as a whole":     {"client.options", "{ a = 1 }", `{ "a.b" = "c" }`, "{ a = 1 } # by the lab's spec"},
		"a new line":           {"tls.tls_min_version", `"tls10"`, "and Raft\n", "and Raft\n  tls_min_version = \"tls10\" # by the lab's spec\n"},
		"a new line of the top": {"enable_debug", "true", "    enabled = false\n  }\n}\n",
			"    enabled = false\n  }\n}\n\nenable_debug = true # by the lab's spec\n"},
		"a new block": {"limits.https_handshake_timeout", `"0s"`, "    enabled = false\n  }\n}\n",
			"    enabled = false\n  }\n}\n\nlimits {\n  https_handshake_timeout = \"0s\" # by the lab's spec\n}\n"},
		"a block in a new block": {"server.client_introduction.enforcement", `"none"`, "    enabled = false\n  }\n}\n",
			"    enabled = false\n  }\n}\n\nserver {\n  client_introduction {\n    enforcement = \"none\" # by the lab's spec\n  }\n}\n"},
		"a name with hyphens": {"http_api_response_headers.Access-Control-Allow-Origin", `"*"`, "    enabled = false\n  }\n}\n",
			"    enabled = false\n  }\n}\n\nhttp_api_response_headers {\n  Access-Control-Allow-Origin = \"*\" # by the lab's spec\n}\n"},
		"a list":             {"client.servers", `["a", "b"]`, "\"c\" }\n", "\"c\" }\n  servers = [\"a\", \"b\"] # by the lab's spec\n"},
		"away":               {"tls.http", "", "  # Both ports.\n  http = true\n", "  # http was taken out by the lab's spec\n"},
		"block away":         {"tls", "", editable[strings.Index(editable, "# How"):strings.Index(editable, "client")], "# tls was taken out by the lab's spec\n"},
		"a name in a map":    {`client.options."a.b"`, `"d"`, `{ "a.b" = "c" }`, `{ "a.b" = "d" /* by the lab's spec */ }`},
		"a map's new name":   {"client.options.a", `"d"`, `"c" }`, `"c", a = "d" /* by the lab's spec */ }`},
		"a block as a whole": {"plugin.raw_exec.config", "{}", "config {\n    enabled = false\n  }", "config {} # by the lab's spec"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := agentconf.Edit([]byte(editable), c.path, c.value)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(editable, c.from, c.to, 1)
			if c.from == "" || want == editable {
				t.Fatal("the case changes nothing")
			}
			if diff := cmp.Diff(unaligned(want), unaligned(string(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, path, value, want string }{
		"no path":             {editable, "", "1", "is no name"},
		"a hole in the path":  {editable, "tls..http", "1", `"" is no name`},
		"a path with a space": {editable, "tls.h ttp", "1", `"h ttp" is no name`},
		"half a path":         {editable, "plugin.raw_exec", "1", "ends too soon"},
		"a kind alone":        {editable, "client.host_volume", "1", "ends too soon"},
		"no value":            {editable, "tls.http", "yes", "is no literal"},
		"a call":              {editable, "tls.http", `file("/x")`, "is no literal"},
		"a template":          {editable, "name", `"${x}"`, "is no literal"},
		"two lines":           {editable, "tls.http", "true\nrpc = false", "is no literal"},
		"onto a block":        {editable, "plugin.raw_exec.config", "true", "config is a block here"},
		"into a line":         {editable, "name.x", "true", "name is not a block here"},
		"what is not there":   {editable, "tls.tls_min_version", "", "no line tls_min_version to take out"},
		"nor its block":       {editable, "limits.x", "", "no line x to take out"},
		"no configuration":    {"tls {", "tls.http", "false", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := agentconf.Edit([]byte(c.text), c.path, c.value)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "change "+c.path) {
				t.Errorf("got %q, %v, want an error with %q", got, err, c.want)
			}
		})
	}
}

// TestEditTwice: the later one holds, and the comment stands once.
func TestEditTwice(t *testing.T) {
	text := []byte(editable)
	for _, value := range []string{"false", "true", "false"} {
		var err error
		if text, err = agentconf.Edit(text, "tls.http", value); err != nil {
			t.Fatal(err)
		}
		if got, err := agentconf.Flag(text, "tls.http"); err != nil || got != (value == "true") {
			t.Errorf("tls.http is %v, %v after it was set to %s", got, err, value)
		}
	}
	if n := strings.Count(string(text), "by the lab's spec"); n != 1 {
		t.Errorf("the comment stands there %d times:\n%s", n, text)
	}
}

func TestFlag(t *testing.T) {
	for path, want := range map[string]bool{
		"tls.http": true, "plugin.raw_exec.config.enabled": false, "tls.rpc_upgrade_mode": false, "acl.enabled": false, "enable_debug": false,
	} {
		if got, err := agentconf.Flag([]byte(editable), path); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", path, got, err, want)
		}
	}
	for path, want := range map[string]string{"name": "no boolean", "tls": "no boolean", "tls..http": "no name"} {
		if _, err := agentconf.Flag([]byte(editable), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}
