package regress_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// TestGossipKeyInFiles: a gossip key that anyone can know is found in the file, and so is one in the clients' files.
func TestGossipKeyInFiles(t *testing.T) {
	const random = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg="
	for name, test := range map[string]struct {
		server, client string
		secret, clean  finding.Result
	}{
		"random":             {random, "", finding.Pass, finding.Pass},
		"documented":         {"+p7iF56z0EWoSIvhpYHWXZrSAAtnjR9l6XHRzHqQKlg=", "", finding.Fail, finding.Pass},
		"0xff":               {"//////////////////////////////////////////8=", "", finding.Fail, finding.Pass},
		"none":               {"", "", finding.Skipped, finding.Pass},
		"in clients as well": {random, random, finding.Pass, finding.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			config := written(t, map[string]string{
				"server.hcl": fmt.Sprintf("server {\n  enabled = true\n  encrypt = %q\n}\n", test.server),
				"client.hcl": fmt.Sprintf("client { enabled = true }\nserver { encrypt = %q }\n", test.client),
			})
			s, err := regress.Read(regress.Paths{
				Server: []string{filepath.Join(config, "server.hcl")}, Client: []string{filepath.Join(config, "client.hcl")},
			})
			if err != nil {
				t.Fatal(err)
			}
			found := looked(t, s)
			if got := found["server-gossip-key-is-secret"]; got != test.secret {
				t.Errorf("whether it is secret is %s, want %s", got, test.secret)
			}
			if got := found["client-configuration-has-no-gossip-key"]; got != test.clean {
				t.Errorf("whether clients have none is %s, want %s", got, test.clean)
			}
		})
	}
}

// TestAnotherGossipKey: fresh clusters do not show that a running one goes on with its old key, so it is said.
func TestAnotherGossipKey(t *testing.T) {
	const documented = catalogue.DocumentedGossipKey
	const one, other = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg=", "hJ1y3sXc7pQm0L9vTz4RkWb2NfGd8UeAoI6HtYqMx5E="
	of := func(key string) regress.Source {
		path := filepath.Join(written(t, map[string]string{"s.hcl": fmt.Sprintf("server {\n  enabled = true\n  encrypt = %q\n}\n", key)}), "s.hcl")
		s, err := regress.Read(regress.Paths{Server: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	posture := func(key string) lock.Posture {
		return lock.Of(finding.Report{Configuration: regress.Configuration(of(key))})
	}
	text := posture(one).Lock()
	locked, err := lock.ReadLock("x.lock", text)
	if err != nil || strings.Contains(string(text), one) {
		t.Fatalf("%v: the lock is\n%s", err, text)
	}
	older, err := lock.ReadLock("x.lock", posture("").Lock()) // it knows of no key, as a lock from before the marks
	if err != nil {
		t.Fatal(err)
	}
	for way, c := range map[string]finding.Comparison{
		"diff": lock.Compare(posture(one), posture(other), "old"), "lock": lock.CompareLock(locked, posture(other), "x.lock"),
	} {
		if !strings.Contains(c.Note, "s.hcl:3") || !strings.Contains(c.Note, "serf.keyring") || strings.Contains(c.Note, other) {
			t.Errorf("%s, of another key: %q", way, c.Note)
		}
		if len(c.Changes) > 0 || len(c.Settings) > 0 {
			t.Errorf("%s, of another key, which is no other posture: %+v", way, c)
		}
	}
	for way, c := range map[string]finding.Comparison{ // a cluster that runs goes on with the key that anyone knows
		"from one that can be guessed": lock.Compare(posture(documented), posture(other), "old"), "to one": lock.Compare(posture(other), posture(documented), "old"),
	} {
		if !strings.Contains(c.Note, "s.hcl:3") || !strings.Contains(c.Note, "goes on with the old one") || strings.Contains(c.Note, documented) {
			t.Errorf("%s: %q", way, c.Note)
		}
	}
	for way, c := range map[string]finding.Comparison{
		"the same key": lock.Compare(posture(one), posture(one), "old"), "the same key as the lock's": lock.CompareLock(locked, posture(one), "x.lock"),
		"a first one": lock.Compare(posture(""), posture(one), "old"), "one that the lock does not know": lock.CompareLock(older, posture(one), "x.lock"),
		"two that can be guessed": lock.Compare(posture(documented), posture("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "old"),
	} {
		if c.Note != "" || slices.ContainsFunc(c.Settings, func(s finding.SettingChange) bool { return s.Path != "server.encrypt" }) {
			t.Errorf("%s: %+v", way, c)
		}
	}
}
