package rollout_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/rollout"
)

const tlsOn = `
tls {
  http = true
  rpc = true
  ca_file = "/ca.pem"
  cert_file = "/cert.pem"
  key_file = "/key.pem"
  verify_server_hostname = true
  verify_https_client = true
}
server { enabled = true }
`

// TestLines holds what catalogue rows L01 to L06, L15 and L17 say of a reload.
func TestLines(t *testing.T) {
	for name, test := range map[string]struct {
		from, to string
		material bool
		want     map[string]rollout.Effect
		choice   rollout.Effect
	}{
		"nothing":                  {from: tlsOn, to: tlsOn, choice: rollout.Nothing},
		"a comment":                {from: tlsOn, to: "# new\n" + tlsOn, choice: rollout.Nothing},
		"new content at the paths": {from: tlsOn, to: tlsOn, material: true, choice: rollout.Reload},
		"new paths": {
			from: tlsOn, to: strings.ReplaceAll(tlsOn, "/cert.pem", "/new.pem"), material: true,
			want: map[string]rollout.Effect{"tls.cert_file": rollout.Reload}, choice: rollout.Reload,
		},
		"a verify flag alone": {
			from: tlsOn, to: strings.Replace(tlsOn, "verify_https_client = true", "verify_https_client = false", 1),
			want: map[string]rollout.Effect{"tls.verify_https_client": rollout.Restart}, choice: rollout.Restart,
		},
		"a verify flag with new certificates": {
			from: tlsOn, to: strings.Replace(tlsOn, "verify_https_client = true", "verify_https_client = false", 1), material: true,
			want: map[string]rollout.Effect{"tls.verify_https_client": rollout.Reload}, choice: rollout.Reload,
		},
		"rpc_upgrade_mode alone": {
			from: tlsOn, to: strings.Replace(tlsOn, "rpc = true", "rpc = true\n  rpc_upgrade_mode = true", 1),
			want: map[string]rollout.Effect{"tls.rpc_upgrade_mode": rollout.Restart}, choice: rollout.Restart,
		},
		"TLS off": {
			from: tlsOn, to: strings.NewReplacer("http = true", "http = false", "rpc = true", "rpc = false").Replace(tlsOn),
			want:   map[string]rollout.Effect{"tls.http": rollout.Reload, "tls.rpc": rollout.Reload},
			choice: rollout.Reload,
		},
		"a gossip key": {
			from: tlsOn, to: tlsOn + "server { encrypt = \"cg8StVXbQJ0gPvMd9o7yrg==\" }\n",
			want: map[string]rollout.Effect{"server.encrypt": rollout.Restart}, choice: rollout.Restart,
		},
		"ACLs": {
			from: tlsOn, to: tlsOn + "acl { enabled = true }\n",
			want: map[string]rollout.Effect{"acl.enabled": rollout.Restart}, choice: rollout.Restart,
		},
		"the log level": {
			from: tlsOn, to: "log_level = \"DEBUG\"\n" + tlsOn,
			want: map[string]rollout.Effect{"log_level": rollout.Reload}, choice: rollout.Reload,
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines := rollout.Lines(files(test.from), files(test.to), test.material)
			got := map[string]rollout.Effect{}
			for _, l := range lines {
				got[l.Path] = l.Effect
				if l.Why == "" {
					t.Errorf("%s has no reason", l.Path)
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("the lines are %v, want %v", got, test.want)
			}
			for path, effect := range test.want {
				if got[path] != effect {
					t.Errorf("%s takes effect by %q, want %q", path, got[path], effect)
				}
			}
			if choice, why := rollout.Choose(lines, test.material); choice != test.choice {
				t.Errorf("the choice is %q (%s), want %q", choice, why, test.choice)
			}
		})
	}
}

func files(text string) agentconf.Files {
	return agentconf.Files{agentconf.NewFile("agent.hcl", []byte(text))}
}
