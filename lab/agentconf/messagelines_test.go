package agentconf_test

import (
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// TestMentionedIn: a message points at the line whose text it quotes, or else at that whose name it has, and at no other.
func TestMentionedIn(t *testing.T) {
	f := agentconf.Files{
		agentconf.NewFile("a.hcl", []byte("server {\n  enabled = true\n  root_key_gc_interval = \"soon\"\n  job_max_priority = 5\n}\nname = \"x\"\n")),
		agentconf.NewFile("b.hcl", []byte("client {\n  gc_interval = \"1h\"\n}\n")),
	}
	for message, want := range map[string]string{
		`server config setup failed: time: invalid duration "soon"`: "\nlook at a.hcl:3: server.root_key_gc_interval",
		"job_max_priority cannot be 5":                              "\nlook at a.hcl:4: server.job_max_priority",
		"Job_Max_Priority cannot be 5":                              "\nlook at a.hcl:4: server.job_max_priority",
		"gc_interval is too short":                                  "\nlook at b.hcl:2: client.gc_interval",
		"the name is enabled":                                       "",
		"no such folder":                                            "",
		`unknown "soonest"`:                                         "",
	} {
		if got := agentconf.Pointing(f.MentionedIn(message)); got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}
