package agentconf_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
)

// file is one file's text as Files.
func file(text string) agentconf.Files {
	return agentconf.Files{agentconf.NewFile("agent.hcl", []byte(text))}
}

// TestSetInEveryForm: the same setting, in every form that HCL 1 takes.
func TestSetInEveryForm(t *testing.T) {
	const tls, rawExec, allow = "tls.http", "plugin.raw_exec.config.enabled", `client.options."driver.allowlist"`
	for name, c := range map[string]struct{ text, path, value, want string }{
		"a block":                     {"tls {\n  http = true\n}\n", tls, "false", "tls {\n  http = false\n}\n"},
		"a block behind =":            {"tls = {\n  http = true\n}\n", tls, "false", "tls = {\n  http = false\n}\n"},
		"a block with quotes":         {"\"tls\" {\n  \"http\" = true\n}\n", tls, "false", "\"tls\" {\n  \"http\" = false\n}\n"},
		"another case":                {"TLS {\n  Http = true\n}\n", tls, "false", "TLS {\n  Http = false\n}\n"},
		"one line":                    {"tls { http = true }", tls, "false", "tls { http = false }"},
		"one line with commas":        {"tls { http = true, rpc = true }", tls, "false", "tls { http = false, rpc = true }"},
		"no space at all":             {"tls{http=true}", tls, "false", "tls{http=false}"},
		"a list of blocks":            {"tls = [{ http = true }]", tls, "false", "tls = [{ http = false }]"},
		"two blocks":                  {"tls {\n  http = true\n}\ntls {\n  http = true\n}\n", tls, "false", "tls {\n  http = false\n}\ntls {\n  http = false\n}\n"},
		"two lines":                   {"tls {\n  http = false\n  http = true\n}\n", tls, "false", "tls {\n  http = false\n  http = false\n}\n"},
		"CRLF":                        {"tls {\r\n  rpc = true\r\n  http = true\r\n}\r\n", tls, "false", "tls {\r\n  rpc = true\r\n  http = false\r\n}\r\n"},
		"a line for CRLF":             {"a = 1\r\ntls {\r\n  rpc = true\r\n}\r\n", tls, "false", "a = 1\r\ntls {\r\n  rpc = true\r\n  http = false\r\n}\r\n"},
		"no last line end":            {"name = \"n\"", "region", `"r"`, "name = \"n\"\n\nregion = \"r\"\n"},
		"an empty file":               {"", tls, "true", "tls {\n  http = true\n}\n"},
		"an empty block":              {"tls {}", tls, "true", "tls { http = true }"},
		"an empty block of two lines": {"tls {\n}", tls, "true", "tls {\n  http = true\n}"},
		"a block with a comment":      {"tls { /* none */ }", tls, "true", "tls { http = true /* none */ }"},
		"into one line":               {"tls { rpc = true }", tls, "true", "tls { rpc = true, http = true }"},
		"into one line with a comma":  {"tls { rpc = true, }", tls, "true", "tls { rpc = true, http = true }"},
		"behind a heredoc":            {"client {\n  meta { a = <<E\nx\nE\n }\n}\n", "client.meta.b", `"y"`, "client {\n  meta { a = <<E\nx\nE\n   b = \"y\"\n }\n}\n"},
		"of a heredoc":                {"a = <<E\n}\"${\nE\nname = \"n\"\n", "a", `"y"`, "a = \"y\"\nname = \"n\"\n"},
		"of a heredoc with CRLF":      {"a = <<E\r\nx\r\nE\r\nname = \"n\"\r\n", "a", `"y"`, "a = \"y\"\r\nname = \"n\"\r\n"},
		"of a heredoc in a list":      {"a = [<<E\nx\nE\n, \"b\"]\n", "a", `["y"]`, "a = [\"y\"]\n"},
		"to a heredoc":                {"a = 1\n", "a", "<<E\nx \"y\"\nE", "a = \"x \\\"y\\\"\\u000a\"\n"},
		"comments":                    {"tls { # {\n  // }\n  http /* = */ = /* false */ true // true\n}", tls, "false", "tls { # {\n  // }\n  http /* = */ = /* false */ false // true\n}"},
		"strings with braces":         {"a = \"${b(\"{}\")}\"\ntls { http = true }\n", tls, "false", "a = \"${b(\"{}\")}\"\ntls { http = false }\n"},
		"words of many bytes":         {"a = \"日本 😀\"\ntls { http = true }\n", tls, "false", "a = \"日本 😀\"\ntls { http = false }\n"},
		"a name with dots":            {"client {\n  options {\n    \"driver.allowlist\" = \"a\"\n  }\n}\n", allow, `"b"`, "client {\n  options {\n    \"driver.allowlist\" = \"b\"\n  }\n}\n"},
		"the same without quotes":     {"client { options { driver.allowlist = \"a\" } }", allow, `"b"`, "client { options { driver.allowlist = \"b\" } }"},
		"a new name with dots":        {"client {\n}\n", allow, `"b"`, "client {\n  options {\n    \"driver.allowlist\" = \"b\"\n  }\n}\n"},
		"a plugin":                    {"plugin \"raw_exec\" {\n  config {\n    enabled = true\n  }\n}\n", rawExec, "false", "plugin \"raw_exec\" {\n  config {\n    enabled = false\n  }\n}\n"},
		"a plugin's map":              {"plugin raw_exec { config = { enabled = true } }\n", rawExec, "false", "plugin raw_exec { config = { enabled = false } }\n"},
		"plugins in a block":          {"plugin { raw_exec { config { enabled = true } } }\n", rawExec, "false", "plugin { raw_exec { config { enabled = false } } }\n"},
		"a new plugin":                {"plugin \"docker\" {\n}\n", rawExec, "true", "plugin \"docker\" {\n}\n\nplugin \"raw_exec\" {\n  config {\n    enabled = true\n  }\n}\n"},
		"the plugin that counts":      {"plugin \"raw_exec\" { config { enabled = true } }\nplugin \"raw_exec\" { config { no_cgroups = true } }\n", rawExec, "false", "plugin \"raw_exec\" { config { enabled = false } }\nplugin \"raw_exec\" { config { no_cgroups = true, enabled = false } }\n"},
		"a list at two places":        {"client {\n  servers = [\"a\"]\n  servers = [\"b\"]\n}\n", "client.servers", `["c"]`, "client {\n  servers = []\n  servers = [\"c\"]\n}\n"},

		"JSON":                     {"{\n  \"tls\": {\n    \"http\": true\n  }\n}\n", tls, "false", "{\n  \"tls\": {\n    \"http\": false\n  }\n}\n"},
		"JSON in a list":           {`{"tls": [{"http": true}, {"http": true}]}`, tls, "false", `{"tls": [{"http": false}, {"http": false}]}`},
		"a plugin in JSON":         {`{"plugin": {"raw_exec": {"config": {"enabled": true}}}}`, rawExec, "false", `{"plugin": {"raw_exec": {"config": {"enabled": false}}}}`},
		"a plugin in lists":        {`{"plugin": [{"raw_exec": [{"config": [{"enabled": true}]}]}]}`, rawExec, "false", `{"plugin": [{"raw_exec": [{"config": [{"enabled": false}]}]}]}`},
		"a new plugin in JSON":     {`{"plugin": [{"docker": {"config": {"a": 1}}}]}`, rawExec, "true", `{"plugin": [{"docker": {"config": {"a": 1}}, "raw_exec": [{"config": [{"enabled": true}]}]}]}`},
		"a line of JSON":           {"{\n  \"tls\": {\n    \"rpc\": true\n  }\n}\n", tls, "false", "{\n  \"tls\": {\n    \"rpc\": true,\n    \"http\": false\n  }\n}\n"},
		"behind a comma":           {"{\n  \"tls\": {\n    \"rpc\": true,\n  },\n}\n", tls, "false", "{\n  \"tls\": {\n    \"rpc\": true,\n    \"http\": false\n  },\n}\n"},
		"a block of JSON":          {`{"name": "n"}`, tls, "true", `{"name": "n", "tls": {"http": true}}`},
		"blocks of JSON":           {`{}`, "server.client_introduction.enforcement", `"none"`, `{"server": {"client_introduction": [{"enforcement": "none"}]}}`},
		"a text in JSON":           {`{"a": 1}`, "a", `"${x} \u0022 é \x41"`, `{"a": "${x} \" é A"}`},
		"numbers in JSON":          {`{"a": 1}`, "a", `[0x10, 010, 1.5]`, `{"a": [16, 8, 1.5]}`},
		"a map in JSON":            {`{"a": 1}`, "a", `{ b = "c", d { e = true } }`, `{"a": {"b": "c", "d": {"e": true}}}`},
		"JSON behind space":        {" \n{\"tls\": {\"http\": true}}", tls, "false", " \n{\"tls\": {\"http\": false}}"},
		"JSON with names in texts": {`{"a": "{\"tls\": [}", "tls": {"http": true}}`, tls, "false", `{"a": "{\"tls\": [}", "tls": {"http": false}}`},
	} {
		t.Run(name, func(t *testing.T) {
			given := file(c.text)
			got, err := given.Set(c.path, c.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got[0].Text())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if string(given[0].Text()) != c.text {
				t.Errorf("the text that was given is %q now", given[0].Text())
			}
		})
	}
}

func TestRemoveInEveryForm(t *testing.T) {
	const http = "tls.http"
	for name, c := range map[string]struct{ text, path, want string }{
		"a line":                {"tls {\n  # Both.\n  http = true # and so on\n  rpc = true\n}\n", http, "tls {\n  # Both.\n  rpc = true\n}\n"},
		"with // behind":        {"tls {\n  http = true // x\n}\n", http, "tls {\n}\n"},
		"with /* */ behind":     {"tls {\n  http = true /* x */ /* y */\n}\n", http, "tls {\n}\n"},
		"with a long comment":   {"tls {\n  http = true /* x\n  y */\n}\n", http, "tls {\n  /* x\n  y */\n}\n"},
		"with a comment before": {"tls {\n  /* x */ http = true\n}\n", http, "tls {\n  /* x */ \n}\n"},
		"the first of one line": {"tls { http = true, rpc = true }", http, "tls { rpc = true }"},
		"the last of one line":  {"tls { rpc = true, http = true }", http, "tls { rpc = true }"},
		"one between":           {"tls { a = 1, http = true, b = 2 }", http, "tls { a = 1, b = 2 }"},
		"one without commas":    {"tls { a = 1 http = true b = 2 }", http, "tls { a = 1 b = 2 }"},
		"the only one":          {"tls { http = true }", http, "tls { }"},
		"CRLF":                  {"tls {\r\n  http = true # x\r\n  rpc = true\r\n}\r\n", http, "tls {\r\n  rpc = true\r\n}\r\n"},
		"everywhere":            {"tls {\n  http = true\n}\ntls {\n  http = false\n  http = true\n}\n", http, "tls {\n}\ntls {\n}\n"},
		"blocks":                {"a = 1\ntls {\n  http = true\n}\nb = 2\ntls {\n} # x\n", "tls", "a = 1\nb = 2\n"},
		"a block of a label":    {"plugin \"a\" {\n}\nplugin \"b\" {\n}\n", "plugin.a", "plugin \"b\" {\n}\n"},
		"a heredoc":             {"a = <<E\nb = 1\nE\nb = 2\n", "a", "b = 2\n"},
		"the end":               {"a = 1\nb = 2", "b", "a = 1\n"},
		"a list of lines":       {"a = [\n  \"x\", # y\n]\nb = 2\n", "a", "b = 2\n"},

		"the first of JSON": {"{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", "{\n  \"b\": 2\n}\n"},
		"the last of JSON":  {"{\n  \"a\": 1,\n  \"b\": 2\n}\n", "b", "{\n  \"a\": 1\n}\n"},
		"the only of JSON":  {`{"tls": { "http": true }}`, http, `{"tls": {}}`},
		"behind a comma":    {`{"a": 1, "b": 2,}`, "b", `{"a": 1,}`},
		"a label of JSON":   {`{"plugin": {"a": {"config": {}}, "b": {}}}`, "plugin.a", `{"plugin": {"b": [{}]}}`},
		// HCL 1 would take what is left for a block with the label client_introduction, and Nomad would refuse it.
		"all but blocks": {`{"server": {"enabled": true, "client_introduction": {"enforcement": "warn"}}}`, "server.enabled",
			`{"server": {"client_introduction": [{"enforcement": "warn"}]}}`},
		"all but blocks, behind": {`{"server": {"client_introduction": {"enforcement": "warn"}, "enabled": true}}`, "server.enabled",
			`{"server": {"client_introduction": [{"enforcement": "warn"}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := file(c.text).Remove(c.path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got[0].Text())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesRefuse(t *testing.T) {
	for name, c := range map[string]struct{ text, path, value, want string }{
		"what is not there":      {"a = 1", "tls.http", "", "no line http to take out"},
		"a quote without end":    {"", `a."b`, "1", "has no end"},
		"text behind a quote":    {"", `a."b"c`, "1", "follows a quote"},
		"a label alone":          {"", "plugin.raw_exec", "{}", "ends too soon"},
		"no literal":             {"", "a", "b", "no literal"},
		"a comment in the value": {"", "a", "1 # x", "something beside it"},
		"onto a block":           {"tls {}", "tls", "1", "tls is a block here"},
		"no JSON behind the end": {`{"a": 1} }`, "a", "2", "does not read what is behind"},
		"a missing comma":        {`{"tls": {"http": true "rpc": true}, "a": 1}`, "tls.http", "false", "the end of a block"},
		"a missing value":        {`{"tls": {"http": }, "a": 1}`, "a", "2", "passes over what is left"},
		"a boolean in JSON":      {`{"a": [1]}`, "a", "[true]", "nowhere"},
		"no syntax":              {"tls {", "a", "2", "agent.hcl:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			files := file(c.text)
			got, err := files.Set(c.path, c.value)
			if c.value == "" {
				got, err = files.Remove(c.path)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, %v, want an error with %q", shown(got), err, c.want)
			}
		})
	}
	if _, err := (agentconf.Files)(nil).Set("a", "1"); err == nil || !strings.Contains(err.Error(), "no file") {
		t.Errorf("no files: got %v", err)
	}
}

// TestWhatIsNotReadAnyMore: the error names a setting of an earlier release that Nomad no longer reads, beside Nomad's own
// words.
func TestWhatIsNotReadAnyMore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`tls { tls_prefer_server_cipher_suites = true }`: "a.hcl:1:7: tls unexpected keys tls_prefer_server_cipher_suites; " +
			"tls_prefer_server_cipher_suites is not read any more since Nomad 1.9.0: take it out",
		`tls { made_up = true }`: "a.hcl:1:7: tls unexpected keys made_up",
	} {
		if err := (agentconf.Files{agentconf.NewFile("a.hcl", []byte(text))}).Check(); err == nil || err.Error() != want {
			t.Errorf("of %s it says %v, want %s", text, err, want)
		}
	}
}
