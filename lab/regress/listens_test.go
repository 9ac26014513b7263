package regress_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/regress/lock"
)

// postureOf is the posture that the files alone have.
func postureOf(t *testing.T, more string) lock.Posture {
	t.Helper()
	told := `advertise { http = "10.0.0.5" rpc = "10.0.0.5" serf = "10.0.0.5" }` // without which no agent starts on loopback alone
	config := written(t, map[string]string{"s.hcl": soundServer, "t.hcl": more, "u.hcl": told})
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(config, "s.hcl"), filepath.Join(config, "t.hcl"), filepath.Join(config, "u.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := regress.Check(t.Context(), regress.Options{Inspect: inspect.Options{Only: []string{"server-state-lies-where-root-alone-writes"}}}, s)
	if err != nil {
		t.Fatal(err)
	}
	return lock.Of(r)
}

// TestWhoCanConnectIsPosture: another reach of a port is a change, by diff and by a lock; another port is none, and is reported all
// the same.
func TestWhoCanConnectIsPosture(t *testing.T) {
	t.Parallel()
	http := func(address string) string { return `addresses { http = "` + address + `" }` }
	for name, test := range map[string]struct {
		before, after, want string
		setting             string
	}{
		"nothing":                    {http("127.0.0.1"), http("127.0.0.1"), "", ""},
		"loopback to every address":  {http("127.0.0.1"), http("0.0.0.0"), "weaker server-listens-http addresses.http", "addresses.http"},
		"every address to loopback":  {http("0.0.0.0"), http("127.0.0.1"), "stronger server-listens-http addresses.http", "addresses.http"},
		"the line is gone":           {http("127.0.0.1"), "", "weaker server-listens-http addresses.http", "addresses.http"},
		"private to another":         {http("10.0.0.1"), http("203.0.113.9"), "weaker server-listens-http addresses.http", "addresses.http"},
		"public to another":          {http("198.51.100.1"), http("203.0.113.9"), "unclear server-listens-http addresses.http", "addresses.http"},
		"all ports, by bind_addr":    {`bind_addr = "127.0.0.1"`, `bind_addr = "0.0.0.0"`, "weaker server-listens-http bind_addr, weaker server-listens-rpc bind_addr, weaker server-listens-serf bind_addr", "bind_addr"},
		"another port":               {`ports { http = 4646 }`, `ports { http = 8080 }`, "", "ports.http"},
		"another form of the same":   {`addresses { http = "127.0.0.1" }`, `{"addresses": [{"http": "127.0.0.1"}]}`, "", ""},
		"gossip beyond the loopback": {`addresses { serf = "127.0.0.1" }`, `addresses { serf = "{{ GetPrivateIP }}" }`, "weaker server-listens-serf addresses.serf", "addresses.serf"},
	} {
		before, after := postureOf(t, test.before), postureOf(t, test.after)
		locked, err := lock.ReadLock("posture.lock.yaml", before.Committed().Lock())
		if err != nil {
			t.Fatal(err)
		}
		for way, c := range map[string]finding.Comparison{"diff": lock.Compare(before, after, "old"), "lock": lock.CompareLock(locked, after, "l")} {
			var got, settings []string
			for _, change := range c.Changes {
				got = append(got, strings.Join([]string{string(change.Direction), change.ID, change.Setting}, " "))
				if want := "is now " + change.After.Outcome; !strings.Contains(change.Text, want) || test.after != "" && !strings.HasSuffix(change.File, "t.hcl") {
					t.Errorf("%s: %s: %+v", name, way, change)
				}
			}
			for _, s := range c.Settings {
				settings = append(settings, s.Path)
			}
			slices.Sort(got)
			if strings.Join(got, ", ") != test.want || strings.Join(settings, ", ") != test.setting {
				t.Errorf("%s: %s: changes %q, want %q; settings %q, want %q", name, way, got, test.want, settings, test.setting)
			}
		}
	}
	old := postureOf(t, http("127.0.0.1"))
	old.Settings = slices.DeleteFunc(old.Settings, func(s finding.Setting) bool { return strings.HasPrefix(s.Path, "listens.") })
	if c := lock.Compare(old, postureOf(t, http("127.0.0.1")), "l"); len(c.Changes)+len(c.Settings) > 0 {
		t.Errorf("a lock that was written before: %+v", c)
	}
}
