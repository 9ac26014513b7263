package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/rehearsal"
)

// configuration writes a configuration of one role a file, with a text replaced, and returns its folder.
func configuration(t *testing.T, replace ...string) string {
	t.Helper()
	folder := t.TempDir()
	for role, lines := range map[string]string{
		"server": "region = \"global\"\ndata_dir = \"/opt/nomad\"\nlimits {\n  http_max_conns_per_client = 100\n}\nserver {\n  enabled = true\n  bootstrap_expect = 3\n}\n",
		"client": "region = \"global\"\ndata_dir = \"/opt/nomad\"\nclient {\n  enabled = true\n}\n",
	} {
		text := strings.NewReplacer(replace...).Replace(lines)
		if err := os.MkdirAll(filepath.Join(folder, role), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, role, "nomad.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestRehearsalsThatAreRefused holds exit code and text of what is refused before anything is brought up, and that nothing is brought up
// for a dry run and for sides that do not differ.
func TestRehearsalsThatAreRefused(t *testing.T) {
	u := user{engine: engines.Process}
	old := configuration(t)
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no old side":             {[]string{"--to", old}, exitUsage, "--from"},
		"no new side":             {[]string{"--from", old}, exitUsage, "--nomad-version OLD,NEW"},
		"one version twice":       {[]string{"--from", old, "--nomad-version", "1.11.3,1.11.3"}, exitUsage, "--nomad-version OLD,NEW"},
		"an argument":             {[]string{old}, exitUsage, "--from and --to"},
		"no such folder":          {[]string{"--from", old, "--to", old + "/nowhere"}, exitUsage, "no such file"},
		"another region":          {[]string{"--from", old, "--to", configuration(t, "global", "eu")}, exitUsage, "Nomad renames no region"},
		"a version of the stars":  {[]string{"--from", old, "--nomad-version", "1.11.3,9.9.9"}, exitUsage, "9.9.9"},
		"an order of others":      {[]string{"--from", old, "--to", configuration(t, "100", "120"), "--order", "server-8"}, exitUsage, "server-1 server-2 server-3 client-1"},
		"a job that is not there": {[]string{"--from", old, "--to", configuration(t, "100", "120"), "--with-job", old + "/web.hcl"}, exitUsage, "web.hcl"},
		"what Nomad refuses":      {[]string{"--from", old, "--to", configuration(t, "enabled = true", "enabeld = true")}, exitUsage, "enabeld"},
		"nothing differs":         {[]string{"--from", old, "--to", configuration(t)}, exitFine, "nothing differs"},
		"a dry run":               {[]string{"--from", old, "--to", configuration(t, "100", "120"), "--dry-run"}, exitFine, "limits.http_max_conns_per_client: 100 → 120"},
		"bootstrap_expect":        {[]string{"--from", old, "--to", configuration(t, "expect = 3", "expect = 5"), "--dry-run"}, exitFine, "server.bootstrap_expect has no effect"},
	} {
		t.Run(name, func(t *testing.T) {
			r := u.call(t, "", append([]string{"rehearse"}, test.args...)...)
			if r.code != test.code || !strings.Contains(r.out+r.errs, test.says) {
				t.Errorf("exit code %d, want %d, and a text with %q:\n%s%s", r.code, test.code, test.says, r.out, r.errs)
			}
			if strings.Contains(r.errs, "starting 3 servers") {
				t.Error("a lab was brought up")
			}
		})
	}
}

// TestDryRehearsalAsJSON holds that the plan can be read by a program.
func TestDryRehearsalAsJSON(t *testing.T) {
	text := user{engine: engines.Process}.must(t, "rehearse", "--from", configuration(t), "--to", configuration(t, "100", "120"), "--dry-run", "--json")
	var got struct {
		Change rehearsal.Change
		Orders []rehearsal.Strategy
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Change.Lines) != 1 || got.Change.Lines[0].Effect != rehearsal.Restart || len(got.Orders) != 2 {
		t.Errorf("%d lines and %d orders: %s", len(got.Change.Lines), len(got.Orders), text)
	}
}

// TestRehearse brings up a lab with the old side, rolls the new one out under load, and writes the report.
func TestRehearse(t *testing.T) {
	out := t.TempDir()
	u := user{engine: engines.Process}
	text := u.must(t, "rehearse", "--from", configuration(t), "--to", configuration(t, "100", "120"), "--out", out)
	for _, says := range []string{"LOST NOTHING (servers-first)", "acknowledged writes lost: none", "server-1  restart"} {
		if !strings.Contains(text, says) {
			t.Errorf("the text lacks %q:\n%s", says, text)
		}
	}
	if strings.Contains(text, "client-1  ") { // its files do not differ
		t.Errorf("the client is changed:\n%s", text)
	}
	for _, name := range []string{"rehearsal.txt", "rehearsal.json", "index.html", "junit.xml", "report.json"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
