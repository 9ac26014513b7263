package agentconf_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
)

// TestLacking: what a version does not know yet is found, whole blocks as one; what it knows is not.
func TestLacking(t *testing.T) {
	const introduction = "server {\n  enabled = true\n  client_introduction {\n    enforcement = \"strict\"\n    default_identity_ttl = \"5m\"\n  }\n}\n"
	lacks := func(path, since string) []agentconf.Lacking {
		return []agentconf.Lacking{{Setting: path, Since: since}}
	}
	for name, c := range map[string]struct {
		text, version string
		want          []agentconf.Lacking
	}{
		"a block, once":              {introduction, "1.10.5", lacks("server.client_introduction", "1.11.0")},
		"before the release":         {introduction, "1.10.9", lacks("server.client_introduction", "1.11.0")},
		"in its release":             {introduction, "1.11.0", nil},
		"no version":                 {introduction, "", nil},
		"an empty block":             {"server {\n  client_introduction {}\n}\n", "1.10.5", lacks("server.client_introduction", "1.11.0")},
		"in any case, in JSON":       {"{\"Server\": {\"Client_Introduction\": {\"enforcement\": \"warn\"}}}", "1.10.5", lacks("Server.Client_Introduction", "1.11.0")},
		"a line":                     {"server {\n  job_max_count = 5\n}\n", "1.10.5", lacks("server.job_max_count", "1.11.0")},
		"a labelled block":           {"client {\n  fingerprint \"env_aws\" {\n    retry_attempts = 1\n  }\n}\n", "1.10.5", lacks("client.fingerprint", "1.11.3")},
		"a line of a block it knows": {"client {\n  artifact {\n    disable_artifact_inspection = true\n    http_max_size = \"1GB\"\n  }\n}\n", "1.10.0", lacks("client.artifact.disable_artifact_inspection", "1.10.5")},
		"what is the user's own":     {"client {\n  meta {\n    odd = \"1\"\n  }\n}\nplugin \"odd\" {\n  config {\n    odd = 1\n  }\n}\n", "1.10.5", nil},
		"what no release knows":      {"consul {\n  adr = \"x\"\n}\n", "1.10.5", nil},
	} {
		files := agentconf.Files{agentconf.NewFile("agent.hcl", []byte(c.text))}
		if diff := cmp.Diff(c.want, files.Lacking(c.version)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLeaveOut: the block is gone, its neighbours are not.
func TestLeaveOut(t *testing.T) {
	const given = "server {\n  enabled = true\n  client_introduction {\n    enforcement = \"strict\"\n  }\n}\n"
	text, lacking, err := agentconf.LeaveOut([]byte(given), "1.10.5")
	if err != nil || len(lacking) != 1 || strings.Contains(string(text), "enforcement") || !strings.Contains(string(text), "enabled = true") ||
		!strings.Contains(string(text), "does not know it") {
		t.Errorf("left out %v (%v):\n%s", lacking, err, text)
	}
	if text, lacking, err = agentconf.LeaveOut([]byte(given), "1.11.3"); err != nil || len(lacking) != 0 || string(text) != given {
		t.Errorf("1.11.3: left out %v (%v):\n%s", lacking, err, text)
	}
}
