package lock_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// version1 returns a lock file that nomadlab wrote in version 1 of the format: version-1 is that of a real cluster without
// TLS, version-1-sample has the fields that the former lacks.
func version1(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".lock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// content is what a lock file of any version has.
type content struct {
	Version  int
	Nomad    string
	Settings map[string]map[string]string
	Checks   map[string]map[string]map[string]string
	Checksum string
}

func contentOf(t *testing.T, text string) content {
	t.Helper()
	var c content
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMigrateKeepsThePosture compares every value of a migrated lock with that of version 1, by the words that changed.
func TestMigrateKeepsThePosture(t *testing.T) {
	words := map[string]string{"held": "pass", "broken": "fail", "not carried out": "inconclusive", "skipped": "skipped"}
	reasons := map[string]string{
		"no certificate was handed in or can be read here": "you gave no certificate, and none can be read here",
		"no file of authorities was handed in":             "you gave no file of authorities",
	}
	for _, name := range []string{"version-1", "version-1-sample"} {
		old := version1(t, name)
		migrated, changed, err := lock.Migrate("x", []byte(old))
		if err != nil || !changed {
			t.Fatalf("%s: changed %v, %v", name, changed, err)
		}
		before, after := contentOf(t, old), contentOf(t, string(migrated))
		seen := map[string]int{}
		want := content{Version: 2, Nomad: before.Nomad, Settings: before.Settings, Checks: map[string]map[string]map[string]string{}, Checksum: after.Checksum}
		for plane, checks := range before.Checks {
			if plane == "wire" {
				plane = "network"
			}
			want.Checks[plane] = map[string]map[string]string{}
			for id, c := range checks {
				seen[c["verdict"]]++
				c["result"] = words[c["verdict"]]
				delete(c, "verdict")
				if reason, is := reasons[c["reason"]]; is {
					seen["reason"]++
					c["reason"] = reason
				}
				want.Checks[plane][strings.Replace(id, "wire-carries", "network-carries", 1)] = c
			}
		}
		if diff := cmp.Diff(want, after); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
		for word := range words {
			if seen[word] == 0 {
				t.Errorf("%s has no check that is %s", name, word)
			}
		}
		if name == "version-1" && (seen["broken"] < 100 || seen["reason"] == 0 || len(after.Settings) == 0) {
			t.Errorf("%s shows little: %v", name, seen)
		}
		if _, err := lock.ReadLock("x", migrated); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMigrateAcceptsNoFailureUnseen: beside a migrated lock, a cluster with the same results has no change, one that fails
// another check is weaker, and one that passes a check that the lock says fails is stronger.
func TestMigrateAcceptsNoFailureUnseen(t *testing.T) {
	migrated, _, err := lock.Migrate("x", []byte(version1(t, "version-1")))
	if err != nil {
		t.Fatal(err)
	}
	locked, err := lock.ReadLock("x", migrated)
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[finding.Result]struct {
		to        finding.Result
		direction finding.Direction
	}{finding.Pass: {finding.Fail, finding.Weaker}, finding.Fail: {finding.Pass, finding.Stronger}} {
		now := lock.Posture{Settings: locked.Settings, Results: append([]lock.CheckResult{}, locked.Results...)}
		if c := lock.CompareLock(locked, now, "x"); len(c.Changes) != 0 {
			t.Fatalf("the same posture has changes: %+v", c.Changes)
		}
		changed := 0
		for i, r := range now.Results {
			if r.Plane != lock.PlaneMatrix && r.Result == from {
				now.Results[i].Result = want.to
				changed++
			}
		}
		c := lock.CompareLock(locked, now, "x")
		if changed == 0 || len(c.Changes) != changed {
			t.Errorf("%d checks changed from %s, and %d changes are told", changed, from, len(c.Changes))
		}
		for _, change := range c.Changes {
			if change.Direction != want.direction {
				t.Errorf("%s is %s", change.ID, change.Direction)
			}
		}
	}
}

// TestMigrateRefuses has a control for each refusal: the same lock with that put right.
func TestMigrateRefuses(t *testing.T) {
	old := version1(t, "version-1")
	present := string(lock.Of(sample(oneRun())).Lock())
	replaced := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("the lock has no %q", from)
		}
		return strings.Replace(text, from, to, 1)
	}
	for name, c := range map[string]struct{ refused, says, control string }{
		"a verdict by hand":    {replaced(old, "verdict: broken", "verdict: held"), "edited by hand", old},
		"a setting by hand":    {replaced(old, "server.bootstrap_expect: 3", "server.bootstrap_expect: 1"), "edited by hand", replaced(old, "server.bootstrap_expect: 3", "server.bootstrap_expect: 3  ")},
		"a check less":         {replaced(old, "    wire-carries-no-rpc-in-clear: ", "    # "), "edited by hand", replaced(old, "    wire-carries-no-rpc-in-clear: ", "    # reviewed\n    wire-carries-no-rpc-in-clear: ")},
		"the checksum by hand": {replaced(old, "checksum: sha256:", "checksum: sha256:0"), "edited by hand", strings.ReplaceAll(old, "\n", "\r\n")},
		"a field of nobody":    {replaced(old, "{verdict: broken", "{by: me, verdict: broken"), `unknown field "by"`, old},
		"a check twice":        {replaced(old, "checks:\n  HTTP:\n", "checks:\n  HTTP:\n    x: {verdict: held}\n    x: {verdict: held}\n"), `line 26: it is not YAML: mapping key "x" already defined`, old},
		// YAML ends a comment at a carriage return, and reads a # in a quoted text as text.
		"a line behind a carriage return": {
			replaced(old, "\n    raft-refuses-client-certificate: ", "\n# \r    raft-refuses-client-certificate: {verdict: broken, outcome: accepted, reason: '\n    raft-refuses-client-certificate: ") + "# '}\n",
			"", strings.ReplaceAll(old, "verdict: broken", "'verdict':  broken"),
		},
		"a check in two planes":         {version1(t, "version-1-twice"), `the check "raft-refuses-client-certificate" is there twice`, old},
		"a newer one":                   {replaced(present, "version: 2", "version: 3"), "a newer nomadlab wrote it", present},
		"the present one, by hand":      {replaced(present, "result: fail", "result: pass"), "edited by hand", present},
		"a version 1 that says it is 2": {replaced(old, "version: 1", "version: 2"), `unknown field "verdict"`, old},
		"a version 2 that says it is 1": {replaced(present, "version: 2", "version: 1"), `unknown field "result"`, present},
		"no lock":                       {"server {\n  enabled = true\n}\n", "line 1: ", present},
		"another YAML file":             {"on: push\njobs: {}\n", "it is no posture lock", present},
		"an empty file":                 {"", "it is empty", present},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed, err := lock.Migrate("ci/posture.lock.yaml", []byte(c.refused))
			if err == nil || !errors.Is(err, lock.ErrLock) || !strings.HasPrefix(err.Error(), "posture lock ci/posture.lock.yaml: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
			if got != nil || changed {
				t.Errorf("beside the error there is %d bytes, changed %v", len(got), changed)
			}
			got, changed, err = lock.Migrate("x", []byte(c.control))
			if err != nil || changed != strings.Contains(c.control, "version: 1") || !changed && !bytes.Equal(got, []byte(c.control)) {
				t.Errorf("the control: changed %v, %v", changed, err)
			}
		})
	}
}

// TestReadLockNamesTheMigration: a lock of version 1 is not read, and the error says what to run.
func TestReadLockNamesTheMigration(t *testing.T) {
	_, err := lock.ReadLock("ci/posture.lock.yaml", []byte(version1(t, "version-1")))
	if !errors.Is(err, lock.ErrLock) || !strings.Contains(err.Error(), "run `nomadlab lock migrate ci/posture.lock.yaml`") {
		t.Errorf("got %v", err)
	}
}
