package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
)

// TestWrongUsageOfConfigurations refuses flags that exclude each other before it reads a file.
func TestWrongUsageOfConfigurations(t *testing.T) {
	for _, test := range []struct{ args, says, help string }{
		{"check --lock a.yaml", "--lock and --update go with --server-config", "check"},
		{"check --server-config a.hcl --update", "--update writes a lock: name it with --lock", "check"},
		{"check --client-config a.hcl", "clients alone have no server to register with", "check"},
		{"check --client-config a.hcl", "server { enabled = true, bootstrap_expect = 3", "check"},
		{"check lab --server-config a.hcl", "exclude each other", "check"},
		{"check --server-config a.hcl --lock b.yaml --quick", "a lock file has the whole posture", "check"},
		{"check lab --nomad-version 1.11.3", "go with --server-config", "check"},
		{"diff a", "name two configurations", "diff"},
		{"mutate", "name the servers' configuration with --server-config", "mutate"},
		{"mutate a.hcl", `unexpected argument "a.hcl"`, "mutate"},
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

// servers is the configuration of one server without ACLs: it starts quickly, and each check runs once.
const servers = `server {
  enabled          = true
  bootstrap_expect = 1
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

// written writes a file server.hcl with the text, in a folder of its own.
func written(t *testing.T, text string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "server.hcl")
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// TestLockOfAConfiguration writes a lock, finds a weaker setting with its line, and refuses a lock that was edited by hand.
// A comment and another order of the lines change nothing.
func TestLockOfAConfiguration(t *testing.T) {
	t.Parallel()
	config, locked := written(t, servers), filepath.Join(t.TempDir(), "posture.lock.yaml")
	check := func(u user, flags ...string) result {
		u.engine = engines.Process
		return u.call(t, "", append([]string{"check", "--server-config", config, "--lock", locked}, flags...)...)
	}
	if r := check(user{}); r.code != exitUsage || !strings.Contains(r.errs, "write it with --update") {
		t.Fatalf("without a lock: exit code %d, %s", r.code, r.errs)
	}
	if r := check(user{}, "--update"); r.code != exitFine || !strings.Contains(r.errs, "wrote "+locked) {
		t.Fatalf("update: exit code %d, %s", r.code, r.errs)
	}
	t.Run("weaker", func(t *testing.T) {
		rewrite(t, config, "# no ACLs", "/* still none */")
		rewrite(t, config, "data_dir = \"/opt/nomad/data\"\n", "")
		rewrite(t, config, "server {", "data_dir = \"/elsewhere\"\nserver {")
		rewrite(t, config, "http_max_conns_per_client = 100", "http_max_conns_per_client = 0")
		out := t.TempDir()
		r := check(user{env: []string{"GITHUB_ACTIONS=true"}}, "--out", out)
		if r.code != exitFailed {
			t.Errorf("exit code %d", r.code)
		}
		contains(t, unspaced(r.out), "CHANGEDsince"+locked, "weaker", "limits.http_max_conns_per_client", "server.hcl:16")
		contains(t, r.errs, "::error file="+config+",line=16")
		onlyWeaker(t, filepath.Join(out, "report.json"), "limits.http_max_conns_per_client")
	})
	t.Run("edited by hand", func(t *testing.T) {
		rewrite(t, locked, "result: fail", "result: pass")
		if r := check(user{}); r.code != exitUsage || !strings.Contains(r.errs, "by hand") || !strings.Contains(r.errs, locked) {
			t.Errorf("exit code %d, %s", r.code, r.errs)
		}
	})
}

// onlyWeaker demands that checks are weaker in the report, all because of that setting. Others may be unclear: a listener
// hears the gossip of a single server by chance.
func onlyWeaker(t *testing.T, file, setting string) {
	t.Helper()
	var report finding.Report
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil || report.Comparison == nil {
		t.Fatalf("the report has no comparison: %v", err)
	}
	weaker := 0
	for _, c := range report.Comparison.Changes {
		switch {
		case c.Direction == finding.Weaker && c.Setting == setting:
			weaker++
		case c.Direction != finding.Unclear:
			t.Errorf("%s is %s by %q: %s", c.ID, c.Direction, c.Setting, c.Text)
		}
	}
	if weaker == 0 {
		t.Errorf("nothing is weaker by %s: %+v", setting, report.Comparison.Changes)
	}
}

// unspaced returns a text without spaces and line ends: lines may be broken within a long path.
func unspaced(text string) string { return strings.Join(strings.Fields(text), "") }

// rewrite replaces the first old in a file.
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

// TestConfigurationsThatNomadRefuses demands Nomad's error with the user's file names, and that no lab is left.
func TestConfigurationsThatNomadRefuses(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	u := user{engine: engines.Process, env: []string{"XDG_STATE_HOME=" + state}}
	for name, test := range map[string]struct {
		text string
		says []string
	}{
		"a syntax error":  {"server {\n  enabled = true\n", []string{"server.hcl:", "RBRACE"}},
		"an unknown key":  {strings.Replace(servers, "tls {", "tls {\n  verify_incoming = true", 1), []string{"server.hcl", "unexpected keys verify_incoming"}},
		"no data_dir":     {"server { enabled = true }\n", []string{`Must specify "data_dir"`}},
		"an agent's exit": {strings.Replace(servers, "server {", "server {\n  root_key_gc_interval = \"soon\"", 1), []string{"server-1 does not start with it", `invalid duration "soon"`, "look at ", "server.hcl:2: server.root_key_gc_interval"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := u.call(t, "", "check", "--server-config", written(t, test.text))
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

// TestDiffOfOneConfiguration shows the differences that one line causes, and only those.
func TestDiffOfOneConfiguration(t *testing.T) {
	t.Parallel()
	before, after := written(t, servers), written(t, servers+"enable_debug = true\n")
	r := user{engine: engines.Process}.call(t, "", "diff", "--quick", before, after)
	if r.code != exitFailed {
		t.Errorf("exit code %d\n%s", r.code, r.errs)
	}
	contains(t, unspaced(r.out), "mostlikelybyenable_debug,"+after+":17", "server-https-has-no-profiler")
	contains(t, r.errs, "old: the cluster is ready", "new: the cluster is ready")
	if strings.Contains(r.out, "server-names-a-leader") {
		t.Errorf("it shows what did not change:\n%s", r.out)
	}
}

// TestDifferencesAndTheirExitCodes checks the output and the exit code for differences of each direction. That a cluster does
// not differ from itself is shown on real ones (lab/regress).
func TestDifferencesAndTheirExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		directions []finding.Direction
		code       int
		says       string
	}{
		"nothing":             {nil, exitFine, "before and after have the same posture: 1 finding alike"},
		"weaker":              {[]finding.Direction{finding.Weaker}, exitFailed, "after: 1 difference from the posture of before"},
		"stronger":            {[]finding.Direction{finding.Stronger}, exitOutdated, "most likely by x, c:7"},
		"unclear":             {[]finding.Direction{finding.Unclear}, exitUnproved, "1 difference"},
		"stronger and weaker": {[]finding.Direction{finding.Stronger, finding.Weaker}, exitFailed, "2 differences"},
		"unclear and weaker":  {[]finding.Direction{finding.Unclear, finding.Weaker}, exitFailed, "2 differences"},
		"and stronger":        {[]finding.Direction{finding.Unclear, finding.Stronger}, exitUnproved, "2 differences"},
	} {
		t.Run(name, func(t *testing.T) {
			r := finding.Report{Findings: make([]finding.Finding, 1), Comparison: &finding.Comparison{With: "before"}}
			for _, direction := range test.directions {
				r.Comparison.Changes = append(r.Comparison.Changes, finding.Change{ID: "some-check", Direction: direction, Setting: "x", File: "c", Line: 7})
			}
			var out strings.Builder
			console{out: stream{Writer: &out}}.differences(r, "after")
			if code := comparisonCode(r); code != test.code || !strings.Contains(out.String(), test.says) {
				t.Errorf("exit code %d, want %d, and it says:\n%s", code, test.code, out.String())
			}
		})
	}
}
