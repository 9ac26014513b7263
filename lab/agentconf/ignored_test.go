package agentconf_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
)

// TestUnread: what Nomad passes over is found, with its line and with the release that has dropped it; what it reads is not, whatever
// the user calls it.
func TestUnread(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []agentconf.Unread
	}{
		"dropped":             {"vault {\n  enabled = true\n  allow_unauthenticated = false\n}\n", []agentconf.Unread{unread(3, "false", "vault.allow_unauthenticated", "1.10.0")}},
		"in any case":         {"vault {\n  Task_Token_TTL = \"1h\"\n}\n", []agentconf.Unread{unread(2, `"1h"`, "vault.Task_Token_TTL", "1.10.0")}},
		"misspelt":            {"consul {\n  adr = \"127.0.0.1:8500\"\n}\n", []agentconf.Unread{unread(2, `"127.0.0.1:8500"`, "consul.adr", "")}},
		"in JSON":             {"{\"vault\": {\n\"allow_unauthenticated\": true}}", []agentconf.Unread{unread(2, "true", "vault.allow_unauthenticated", "1.10.0")}},
		"in a block":          {"consul {\n  service_identity {\n    aud = [\"a\"]\n    odd = 1\n  }\n}\n", []agentconf.Unread{unread(4, "1", "consul.service_identity.odd", "")}},
		"all is read":         {"vault {\n  tls_skip_verify = true\n  default_identity {\n    extra_claims {\n      odd = \"1\"\n    }\n  }\n}\n", nil},
		"a name of ours":      {"client {\n  meta {\n    odd = \"1\"\n  }\n  options {\n    odd = \"1\"\n  }\n}\nplugin \"odd\" {\n  config {\n    odd = 1\n  }\n}\n", nil},
		"a keyring":           {"keyring \"awskms\" {\n  active = true\n  region = \"eu\"\n}\n", nil},
		"no block of its own": {"limits {\n  http_max_conns = 5\n}\n", []agentconf.Unread{unread(2, "5", "limits.http_max_conns", "")}},
		"at the top": {"retry_join = [\"a\"]\nserver_join {\n  retry_max = 1\n}\n", []agentconf.Unread{
			unread(1, `["a"]`, "retry_join", ""), unread(3, "1", "server_join.retry_max", ""),
		}},
		"a comment of JSON": {"{\"vault\": {\"//\": \"ours\"}}", nil},
	} {
		files := agentconf.Files{agentconf.NewFile("agent.hcl", []byte(c.text))}
		if err := files.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, files.Unread()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func unread(line int, value, setting, since string) agentconf.Unread {
	return agentconf.Unread{Line: agentconf.Line{File: "agent.hcl", Number: line, Value: value}, Setting: setting, Since: since}
}

// TestFixturesAreRead: no line of ours is one that Nomad passes over.
func TestFixturesAreRead(t *testing.T) {
	for name, files := range fixtureFiles(t) {
		for _, u := range files.Unread() {
			t.Errorf("%s: Nomad passes over %s at %s:%d", name, u.Setting, u.File, u.Number)
		}
	}
}
