package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/catalogue"
)

func TestWrongUsageOfCheck(t *testing.T) {
	tests := []struct{ args, says string }{
		{"check --format nope", `--format is "nope": use text, json, junit, markdown, html`},
		{"check --format json,html", "several formats need a folder: add --out"},
		{"check --addr https://127.0.0.1:4646", "--addr needs --ca, --cert and --key"},
		{"check x --addr https://127.0.0.1:4646 --ca a --cert b --key c", "a lab (x) and --addr exclude each other"},
		{"check --ca a", "go with --addr"},
		{"check --token-file a", "go with --addr"},
		{"check --region eu", "--region and --tls-server-name go with --addr"},
		{"check --tls-server-name a.example.com", "--region and --tls-server-name go with --addr"},
		{"check --only nonsense", `no such check: "nonsense": name a plane (cluster, http, rpc, raft, gossip, network)`},
		{"check --only raft,cross-site --list", `no such check: "cross-site"`},
		{"check --only raft-refuses", "did you mean raft-refuses-plaintext"},
		{"check --addr https://127.0.0.1:4646 --ca a --cert b --key c --only matrix", "the matrix is for labs"},
		{"check a b", `unexpected argument "b"`},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			a, _ := faked(t)
			r := call(t, a, "", strings.Fields(test.args)...)
			if r.code != exitUsage || r.out != "" {
				t.Errorf("exit code %d, on standard output %q", r.code, r.out)
			}
			contains(t, r.errs, test.says, "see `nomadlab check --help`")
		})
	}
}

// TestFlagWithoutValue has controls: flags with their values, and words behind --.
func TestFlagWithoutValue(t *testing.T) {
	took := "needs a value, and took -"
	for args, want := range map[string]bool{
		"check --server-config x --lock --update":                true,
		"check --server-config x --lock --update=true":           true,
		"check --out --server-config x":                          true,
		"up --name --json --subnet x":                            true,
		"check --server-config x --out -v":                       true,
		"check --server-config x --out -o":                       false, // which is none
		"run --all --timeout --keep":                             false, // no duration: refused before
		"check --server-config nowhere --lock=--update --update": false,
		"check --quick --safe":                                   false,
		"status --no-color --engine auto":                        false,
		"nomad --lab x -- job run --output --help":               false,
	} {
		a, _ := faked(t)
		if r := call(t, a, "", strings.Fields(args)...); strings.Contains(r.errs, took) != want || r.code != exitUsage {
			t.Errorf("%s: exit code %d, %s", args, r.code, r.errs)
		}
	}
}

// TestPlacesAreCheckedFirst refuses a report or a lock that cannot be written, before anything is started or called. The
// control is the same call with a folder that takes files, which fails for another reason.
func TestPlacesAreCheckedFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := t.TempDir()
	for args, want := range map[string]string{
		"check x --out " + file + "/report":                                               "make the report's folder",
		"check x --out " + good + "/report":                                               "no such lab",
		"check --server-config x --update --lock " + file + "/lock.yaml":                  "the lock cannot be written there",
		"check --server-config /nowhere --update --lock " + good + "/lock.yaml":           "/nowhere",
		"check --addr https://127.0.0.1:1 --ca a --cert b --key c --out " + file + "/out": "make the report's folder",
	} {
		a, _ := faked(t)
		r := call(t, a, "", strings.Fields(args)...)
		if r.code != exitUsage {
			t.Errorf("%s: exit code %d", args, r.code)
		}
		contains(t, r.errs, want)
	}
	if left, err := os.ReadDir(good + "/report"); err != nil || len(left) > 0 {
		t.Errorf("the test of the folder left %v, %v", left, err)
	}
}

func TestListOfChecks(t *testing.T) {
	all, some := user{}.must(t, "check", "--list"), user{}.must(t, "check", "--list", "--only", "raft")
	contains(t, all, "CHECK", "TITLE", "rpc-refuses-cli-certificate", "gossip-refuses-no-key")
	contains(t, some, "raft-refuses-client-certificate", "Raft", "critical")
	if lines := strings.Count(all, "\n"); lines < 100 || strings.Contains(some, "gossip-refuses-no-key") {
		t.Errorf("%d lines; of Raft alone:\n%s", lines, some)
	}
}

// checkedLab brings up a lab without containers. It returns the lab's user and engine, and the secrets that no report may
// contain. The caller removes the lab.
func checkedLab(t *testing.T, flags ...string) (name string, u user, e engine.Engine, secrets []string) {
	t.Helper()
	name, u = unused(t), user{engine: engines.Process}
	e = realEngine(t, u.engine, name)
	u.mustApart(t, append([]string{"up", "--name", name}, flags...)...)
	l, err := lab.Open(t.Context(), e, name)
	if err != nil {
		t.Fatal(err)
	}
	secrets = []string{l.GossipKey()}
	if l.ManagementToken() != "" {
		secrets = append(secrets, l.ManagementToken())
	}
	// A key in PEM may be broken into other lines, or be escaped: its first line of base64 is enough.
	return name, u, e, append(secrets, strings.Split(string(l.Credential().KeyPEM), "\n")[1])
}

// TestCheckOfAHardenedLab checks a lab in each format, by its address, interrupted, and without an agent. Only "in a folder"
// runs all checks.
func TestCheckOfAHardenedLab(t *testing.T) {
	t.Parallel()
	name, u, e, secrets := checkedLab(t, "--hardened", "--clients", "2")
	defer func() { u.must(t, "down", name) }()
	t.Run("in a folder", func(t *testing.T) { checkIntoFolder(t, u, name, secrets) })
	t.Run("by address", func(t *testing.T) { checkAddress(t, u, name, secrets) })
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		errs := &cancelling{at: "checking", cancel: cancel}
		var out strings.Builder
		code := newApp().execute(ctx, u.on([]string{"check", name, "--only", "network,http"}), nil, &out, errs)
		if code != exitFailed || !strings.HasSuffix(errs.String(), "nomadlab: interrupted\n") {
			t.Errorf("exit code %d, %q", code, errs.String())
		}
	})
	t.Run("killed", func(t *testing.T) { checkWithoutNode(t, u, e, name) })
}

// checkIntoFolder demands that all checks pass, and that the five files are complete and hold no secret. A folder that cannot
// be made is wrong usage.
func checkIntoFolder(t *testing.T, u user, name string, secrets []string) {
	folder := filepath.Join(t.TempDir(), "a", "report")
	r := u.call(t, "", "check", name, "-v", "--out", folder)
	if r.code != exitFine {
		t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.errs)
	}
	contains(t, r.out, "lab "+name+": all ", " checks pass", "Raft", "gossip")
	files := map[string]string{"standard output": r.out, "standard error": r.errs}
	for file, end := range map[string]string{
		"report.txt": "\n", "report.json": "}\n", "junit.xml": "</testsuites>", "report.md": "\n", "index.html": "</html>",
	} {
		content, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		files[file] = string(content)
		if text := strings.TrimSpace(files[file]); !strings.HasSuffix(text, strings.TrimSpace(end)) || !strings.Contains(text, name) {
			t.Errorf("%s is not complete: it ends with %q", file, text[max(0, len(text)-40):])
		}
		contains(t, r.errs, "wrote "+filepath.Join(folder, file))
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 5 {
		t.Errorf("%d files in the folder: %v", len(left), err)
	}
	var report finding.Report
	if err := errors.Join(json.Unmarshal([]byte(files["report.json"]), &report), xml.Unmarshal([]byte(files["junit.xml"]), new(struct{}))); err != nil {
		t.Errorf("the JSON or the XML cannot be read: %v", err)
	}
	labtest.AllPass(t, report, catalogue.RunsElsewhere) // checks of the sample job find none where it does not run
	if report.Cluster.Name != name {
		t.Errorf("it is a report of %s", report.Cluster.Name)
	}
	for file, content := range files {
		for i, secret := range secrets {
			if len(secret) < 20 || strings.Contains(content, secret) {
				t.Errorf("secret %d (%d characters) is in %s", i, len(secret), file)
			}
		}
		if strings.Contains(content, "PRIVATE KEY") {
			t.Errorf("there is a key in %s", file)
		}
	}
	r = u.call(t, "", "check", name, "--only", "gossip,raft", "--out", filepath.Join(folder, "index.html", "below"))
	if r.code != exitUsage || r.out != "" { // before anything was asked
		t.Errorf("a folder below a file: exit code %d\n%s", r.code, r.out)
	}
	contains(t, r.errs, "make the report's folder", "not a directory")
}

// checkWithoutNode demands that checks of a dead agent are inconclusive, and those of the others pass. The dead server is a
// follower: without a leader, others would not answer for some seconds.
func checkWithoutNode(t *testing.T, u user, e engine.Engine, name string) {
	leader, err := opened(t, u, name).Leader(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	server := "server-1"
	if leader.Name() == server {
		server = "server-2"
	}
	for _, node := range []string{server, "client-2"} {
		if err := e.Kill(t.Context(), engine.Ref{Lab: name, Node: node}); err != nil {
			t.Fatal(err)
		}
	}
	r := u.call(t, "", "check", name, "--only", "rpc-refuses-*,*-refuses-plaintext,server-lets-nobody-list-jobs-without-token,client-lets-nobody-read-agents-without-token", "--format", "json")
	if r.code != exitUnproved {
		t.Errorf("exit code %d\n%s", r.code, r.errs)
	}
	var report finding.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	passed := map[string]bool{}
	for _, f := range report.Findings {
		dead := f.Node == server || f.Node == "client-2"
		switch {
		case dead && (f.Result != finding.Inconclusive || f.Outcome != "not reached" || f.Reason != f.Node+" does not run"):
			t.Errorf("%s at %s: %s, %q, because %s", f.ID, f.Node, f.Result, f.Outcome, f.Reason)
		case !dead && f.Result != finding.Pass:
			t.Errorf("%s at %s: %s because %s", f.ID, f.Node, f.Result, f.Reason)
		}
		passed[f.ID] = passed[f.ID] || f.Result == finding.Pass
	}
	for _, id := range []string{"server-lets-nobody-list-jobs-without-token", "client-lets-nobody-read-agents-without-token"} {
		if !passed[id] {
			t.Errorf("%s passes nowhere, though agents are left that answer", id)
		}
	}
	text := u.call(t, "", "check", name, "--only", "rpc-refuses-*,raft")
	contains(t, text.out, "checks are inconclusive at some agents", "at "+server+": the agent does not run: rpc-refuses-")
}
