package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
)

// TestWrongUsageOfConfigurations: what does not go together is told before anything is read.
func TestWrongUsageOfConfigurations(t *testing.T) {
	for _, test := range []struct{ args, says, help string }{
		{"check --lock a.yaml", "--lock and --update go with --server-config", "check"},
		{"check --server-config a.hcl --update", "--update writes a lock: name it with --lock", "check"},
		{"check --client-config a.hcl", "clients alone have nobody to register with", "check"},
		{"check lab --server-config a.hcl", "exclude each other", "check"},
		{"check --server-config a.hcl --lock b.yaml --quick", "a lock is of the whole posture", "check"},
		{"check lab --nomad-version 1.11.3", "go with --server-config", "check"},
		{"diff a", "name two configurations", "diff"},
		{"mutate", "name the servers' configuration with --server-config", "mutate"},
		{"mutate a.hcl", "it takes no arguments", "mutate"},
		{"mutate --server-config a.hcl --jobs -1", "--jobs is -1: use 1 or more", "mutate"},
		{"mutate --list --only nothing-*", `there is no such mutation: "nothing-*"`, "mutate"},
	} {
		t.Run(test.args, func(t *testing.T) {
			a, _ := faked(t)
			r := call(t, a, "", strings.Fields(test.args)...)
			if r.code != exitUsage || r.out != "" {
				t.Errorf("exit code %d, on standard output %q", r.code, r.out)
			}
			contains(t, r.errs, test.says, "see `nomadlab "+test.help+" --help`")
		})
	}
}

func TestListOfMutations(t *testing.T) {
	all := must(t, "mutate", "--list")
	contains(t, all, "MUTATION", "server-names-not-verified", "tls.verify_server_hostname = false on servers", "changes nothing")
	if lines := strings.Count(all, "\n"); lines < 60 {
		t.Errorf("%d lines", lines)
	}
}

// servers are three without ACLs, which are quickly there.
const servers = `server {
  enabled          = true
  bootstrap_expect = 3
}
# no ACLs
tls {
  http                   = true
  rpc                    = true
  verify_server_hostname = true
  verify_https_client    = true
  ca_file                = "/etc/nomad.d/ca.pem"
  cert_file              = "/etc/nomad.d/server.pem"
  key_file               = "/etc/nomad.d/server-key.pem"
}
limits { http_max_conns_per_client = 100 }
data_dir = "/opt/nomad/data"
`

// written is a file with that text, in a folder of its own.
func written(t *testing.T, name, text string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// TestLockOfAConfiguration: the lock is written, holds as long as nothing changes, tells of what is weaker with its line, and
// takes no edit by hand.
func TestLockOfAConfiguration(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	config, locked := written(t, "server.hcl", servers), filepath.Join(t.TempDir(), "posture.lock.yaml")
	check := func(flags ...string) result {
		return call(t, newApp(), "", append([]string{"--engine", "process", "check", "--server-config", config, "--lock", locked}, flags...)...)
	}
	if r := check(); r.code != exitUsage || !strings.Contains(r.errs, "write it with --update") {
		t.Fatalf("without a lock: exit code %d, %s", r.code, r.errs)
	}
	if r := check("--update"); r.code != exitFine || !strings.Contains(r.errs, "wrote "+locked) {
		t.Fatalf("update: exit code %d, %s", r.code, r.errs)
	}
	if r := check(); r.code != exitFine || !strings.Contains(r.out, "nothing has changed since "+locked) {
		t.Errorf("unchanged: exit code %d\n%s", r.code, r.out)
	}

	t.Run("weaker", func(t *testing.T) {
		t.Setenv("GITHUB_ACTIONS", "true")
		rewrite(t, config, "http_max_conns_per_client = 100", "http_max_conns_per_client = 0")
		defer rewrite(t, config, "http_max_conns_per_client = 0", "http_max_conns_per_client = 100")
		out := t.TempDir()
		r := check("--out", out)
		if r.code != exitFailed {
			t.Errorf("exit code %d", r.code)
		}
		contains(t, r.out, "CHANGED since "+locked, "weaker", "limits.http_max_conns_per_client", "server.hcl:15")
		contains(t, r.errs, "::error file="+config+",line=15")
		var report finding.Report
		text, err := os.ReadFile(filepath.Join(out, "report.json"))
		if err == nil {
			err = json.Unmarshal(text, &report)
		}
		if err != nil || report.Comparison == nil || len(report.Comparison.Changes) == 0 {
			t.Errorf("the report has no changes: %v", err)
		}
	})
	t.Run("a comment and another order", func(t *testing.T) {
		if err := os.WriteFile(config, []byte(`data_dir = "/elsewhere"`+"\n"+strings.Replace(strings.Replace(
			servers, "# no ACLs", "/* still none */", 1), `data_dir = "/opt/nomad/data"`, "", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := check(); r.code != exitFine {
			t.Errorf("exit code %d\n%s", r.code, r.out)
		}
	})
	t.Run("edited by hand", func(t *testing.T) {
		rewrite(t, locked, "verdict: broken", "verdict: held")
		if r := check(); r.code != exitUsage || !strings.Contains(r.errs, "by hand") || !strings.Contains(r.errs, locked) {
			t.Errorf("exit code %d, %s", r.code, r.errs)
		}
	})
}

// rewrite changes a text in a file, once.
func rewrite(t *testing.T, file, old, with string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConfigurationsThatNomadRefuses are told in Nomad's words and the user's names, and nothing stays.
func TestConfigurationsThatNomadRefuses(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	for name, test := range map[string]struct {
		text string
		says []string
	}{
		"a syntax error":  {"server {\n  enabled = true\n", []string{"server.hcl:", "RBRACE"}},
		"an unknown key":  {strings.Replace(servers, "tls {", "tls {\n  verify_incoming = true", 1), []string{"server.hcl", "unexpected keys verify_incoming"}},
		"no data_dir":     {"server { enabled = true }\n", []string{`Must specify "data_dir"`}},
		"an agent's exit": {strings.Replace(servers, "server {", "server {\n  encrypt = \"c2hvcnQ=\"", 1), []string{"server-1 does not start with it", "key size must be 16, 24 or 32 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := call(t, newApp(), "", "--engine", "process", "check", "--server-config", written(t, "server.hcl", test.text))
			if r.code != exitUsage {
				t.Errorf("exit code %d", r.code)
			}
			contains(t, r.errs, test.says...)
		})
	}
	if left, err := os.ReadDir(filepath.Join(state, "nomadlab", "labs")); err == nil && len(left) > 0 {
		t.Errorf("a lab is left: %v", left)
	}
}

// TestDiffOfOneConfiguration: with itself there is no difference, with another there is, and only that is shown.
func TestDiffOfOneConfiguration(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	before := written(t, "server.hcl", servers)
	after := written(t, "server.hcl", servers+"enable_debug = true\n")
	same := call(t, newApp(), "", "--engine", "process", "diff", "--quick", before, written(t, "other.hcl", servers))
	if same.code != exitFine || !strings.Contains(same.out, "give the same posture") {
		t.Errorf("exit code %d\n%s%s", same.code, same.out, same.errs)
	}
	r := call(t, newApp(), "", "--engine", "process", "diff", "--quick", before, after)
	if r.code != exitFailed {
		t.Errorf("exit code %d\n%s", r.code, r.errs)
	}
	contains(t, r.out, "most likely by enable_debug, "+after+":17", "server-https-has-no-profiler")
	if strings.Contains(r.out, "server-names-a-leader") {
		t.Errorf("it shows what did not change:\n%s", r.out)
	}
}
