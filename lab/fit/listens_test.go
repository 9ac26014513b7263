package fit_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/fit"
)

// TestListeners: where an agent listens, and who can connect.
func TestListeners(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "every network, at 0.0.0.0 port 4646",
		`bind_addr = "127.0.0.1"`:              "the machine itself, at 127.0.0.1 port 4646",
		`bind_addr = "::"`:                     "every network, at :: port 4646",
		`bind_addr = "{{ GetPrivateIP }}"`:     "a private network, at {{ GetPrivateIP }} port 4646",
		`bind_addr = "10.0.0.1"`:               "a private network, at 10.0.0.1 port 4646",
		`bind_addr = "203.0.113.9"`:            "one network, at 203.0.113.9 port 4646",
		`addresses { http = "127.0.0.1 ::1" }`: "the machine itself, at 127.0.0.1 ::1 port 4646",
		"bind_addr = \"127.0.0.1\"\naddresses { http = \"127.0.0.1 10.0.0.1\" }\nports { http = 80 }": "a private network, at 127.0.0.1 10.0.0.1 port 80",
	} {
		got, err := fit.Listeners(agentconf.Files{agentconf.NewFile("", []byte(text))}, false)
		if err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	all, err := fit.Listeners(agentconf.Files{agentconf.NewFile("", []byte(`addresses { serf = "10.0.0.1" }`))}, true)
	if err != nil || len(all) != 3 || all[2].Setting != "addresses.serf" || all[1].Setting != "bind_addr" {
		t.Errorf("a server: %v, %v", all, err)
	}
	if _, err := fit.Listeners(agentconf.Files{agentconf.NewFile("", []byte(`ports { http = 70000 }`))}, false); err == nil || !strings.Contains(err.Error(), "ports.http") {
		t.Errorf("no port: %v", err)
	}
}
