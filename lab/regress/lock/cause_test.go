package lock_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

func set(role, path, value string, line int) finding.Setting {
	return finding.Setting{Role: role, Path: path, Value: value, File: role + ".hcl", Line: line}
}

// TestCompareNamesTheSetting: each change that is Weaker or Stronger names the setting that most likely made it.
func TestCompareNamesTheSetting(t *testing.T) {
	all := func(changed ...finding.Setting) []finding.Setting {
		settings := []finding.Setting{
			set("server", "tls.http", "true", 1), set("server", "tls.verify_https_client", "true", 2), set("server", "tls.ca_file", `"a.pem"`, 3),
			set("server", "datacenter", `"dc1"`, 4), set("server", "enable_debug", "false", 5), set("server", "acl.enabled", "true", 6),
			set("client", "tls.http", "true", 1), set("client", "tls.verify_https_client", "true", 2), set("client", "acl.enabled", "true", 3),
			set("client", "plugin.raw_exec.config.enabled", "false", 9),
		}
		for _, c := range changed {
			for i, s := range settings {
				if s.Role == c.Role && s.Path == c.Path {
					settings[i] = c
				}
			}
		}
		return settings
	}
	passed := func(id string, settings ...string) lock.CheckResult {
		return lock.CheckResult{ID: id, Plane: "HTTP", Title: id, Result: finding.Pass, Outcome: "denied", Settings: settings}
	}
	front := []string{"tls.verify_https_client", "tls.http"}
	for name, c := range map[string]struct {
		entry         lock.CheckResult
		before, after []finding.Setting
		want          finding.Setting
	}{
		"the setting that differs, though it is not the likeliest": {
			passed("server-https-refuses-x", front...), all(), all(set("server", "tls.http", "false", 1)), set("server", "tls.http", "", 1),
		},
		"the likeliest of two that differ": {
			passed("server-https-refuses-x", front...), all(), all(set("server", "tls.http", "false", 1), set("server", "tls.verify_https_client", "false", 2)),
			set("server", "tls.verify_https_client", "", 2),
		},
		"the one of the agents that the check asks": {
			passed("client-https-refuses-x", front...), all(),
			all(set("server", "tls.verify_https_client", "false", 2), set("client", "tls.http", "false", 1)), set("client", "tls.http", "", 1),
		},
		"the servers' where the ID names neither": {
			passed("raft-refuses-x", "tls.http"), all(), all(set("server", "tls.http", "false", 1), set("client", "tls.http", "false", 1)), set("server", "tls.http", "", 1),
		},
		"the clients' where the ID says clients": {
			passed("client-offers-no-raw-exec", "acl.enabled"), all(),
			all(set("server", "acl.enabled", "false", 6), set("client", "acl.enabled", "false", 3)), set("client", "acl.enabled", "", 3),
		},
		"one of the others before one in the same block": {
			passed("server-https-refuses-x", "tls.http"), all(), all(set("client", "tls.http", "false", 1), set("server", "tls.ca_file", `"b.pem"`, 3)),
			set("client", "tls.http", "", 1),
		},
		"one inside of what the check rests on": {
			passed("client-offers-no-raw-exec", "plugin.raw_exec"), all(),
			append(all(set("client", "plugin.raw_exec.config.enabled", "true", 9)), set("client", "plugin.docker.config.auth", "true", 8)),
			set("client", "plugin.raw_exec.config.enabled", "", 9),
		},
		"one in the same block": {
			passed("server-https-refuses-x", front...), all(), all(set("server", "tls.ca_file", `"b.pem"`, 3), set("server", "datacenter", `"x"`, 4)),
			set("server", "tls.ca_file", "", 3),
		},
		"a client's certificate, where a server was asked": {
			lock.CheckResult{
				ID: "rpc-gives-x", Plane: "RPC", Title: "x", Result: finding.Pass, Outcome: "denied", Settings: []string{"tls.cert_file"}, CertificateOf: "client",
			},
			append(all(), set("server", "tls.cert_file", `"s.pem"`, 7), set("client", "tls.cert_file", `"c.pem"`, 8)),
			append(all(), set("server", "tls.cert_file", `"s.pem"`, 7), set("client", "tls.cert_file", `"c.pem"`, 8)), set("client", "tls.cert_file", "", 8),
		},
		"none for being outside of all blocks too": {
			passed("server-has-no-profiler", "enable_debug"), all(), all(set("server", "datacenter", `"x"`, 4)), set("server", "enable_debug", "", 5),
		},
		"none for a name that begins alike": {
			passed("server-https-refuses-x", "tls.http"), append(all(), set("server", "tlsx.http", "true", 8)), append(all(), set("server", "tlsx.http", "false", 8)),
			set("server", "tls.http", "", 1),
		},
		"the likeliest, where none differs": {passed("server-https-refuses-x", front...), all(), all(), set("server", "tls.verify_https_client", "", 2)},
		"the likeliest, set nowhere":        {passed("server-x", "limits.http_max_conns_per_client"), all(), all(), finding.Setting{Path: "limits.http_max_conns_per_client"}},
		"one that was taken out":            {passed("server-https-refuses-x", front...), all(), all()[1:], finding.Setting{Path: "tls.http"}},
		"one that was added":                {passed("server-https-refuses-x", front...), all()[1:], all(), set("server", "tls.http", "", 1)},
		"the likeliest, where what ran before is not known": {
			passed("server-https-refuses-x", "tls.rpc", "tls.http"), nil, all(set("server", "tls.http", "false", 1)), finding.Setting{Path: "tls.rpc"},
		},
		"none, for a check that rests on none": {passed("server-x"), all(), all(set("server", "tls.http", "false", 1)), finding.Setting{}},
	} {
		t.Run(name, func(t *testing.T) {
			failed := c.entry
			failed.Result, failed.Outcome = finding.Fail, "accepted"
			locked := c.entry
			locked.Settings = nil // a lock does not have them
			changes := lock.Compare(
				lock.Posture{Settings: c.before, Results: []lock.CheckResult{locked}}, lock.Posture{Settings: c.after, Results: []lock.CheckResult{failed}}, "",
			).Changes
			if len(changes) != 1 {
				t.Fatalf("got %d changes", len(changes))
			}
			got := finding.Setting{Path: changes[0].Setting, File: changes[0].File, Line: changes[0].Line}
			if want := (finding.Setting{Path: c.want.Path, File: c.want.File, Line: c.want.Line}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestCompareTellsSettingsThatDiffer: each is listed once, whether or not a check ended another way, and a check that rests on
// one is unclear where it was proved on neither side.
func TestCompareTellsSettingsThatDiffer(t *testing.T) {
	before := []finding.Setting{set("client", "limits.a", "1", 1), set("server", "limits.a", "1", 1), set("server", "log_level", `"INFO"`, 2)}
	after := []finding.Setting{set("client", "limits.a", "1", 1), set("server", "limits.a", "2", 5), set("server", "name", `"x"`, 3)}
	settings := []finding.SettingChange{
		{Role: "server", Path: "limits.a", Before: "1", After: "2", File: "server.hcl", Line: 5},
		{Role: "server", Path: "log_level", Before: `"INFO"`},
		{Role: "server", Path: "name", After: `"x"`, File: "server.hcl", Line: 3},
	}
	entry := func(id, plane string, v finding.Result) lock.CheckResult {
		return lock.CheckResult{ID: id, Plane: plane, Result: v, Reason: "TLS is off", Settings: []string{"limits.a"}}
	}
	for name, c := range map[string]struct {
		was, is       lock.CheckResult
		unclear       bool
		before, after []finding.Setting
	}{
		"passed on both sides":            {entry("x", "HTTP", finding.Pass), entry("x", "HTTP", finding.Pass), false, before, after},
		"skipped on both sides":           {entry("x", "HTTP", finding.Skipped), entry("x", "HTTP", finding.Skipped), true, before, after},
		"not tried, then skipped":         {entry("x", "HTTP", finding.Inconclusive), entry("x", "HTTP", finding.Skipped), true, before, after},
		"skipped, of agents that kept it": {entry("client-x", "HTTP", finding.Skipped), entry("client-x", "HTTP", finding.Skipped), false, before, after},
		"a cell":                          {entry("matrix/none/Raft", lock.PlaneMatrix, finding.Skipped), entry("matrix/none/Raft", lock.PlaneMatrix, finding.Skipped), false, before, after},
		"skipped, and nothing differs":    {entry("x", "HTTP", finding.Skipped), entry("x", "HTTP", finding.Skipped), false, after, after},
	} {
		t.Run(name, func(t *testing.T) {
			locked := c.was
			locked.Settings = nil // a lock does not have them
			got := lock.Compare(lock.Posture{Settings: c.before, Results: []lock.CheckResult{locked}}, lock.Posture{Settings: c.after, Results: []lock.CheckResult{c.is}}, "")
			want := settings
			if name == "skipped, and nothing differs" {
				want = nil
			}
			if diff := cmp.Diff(want, got.Settings); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if unclear := len(got.Changes) == 1 && got.Changes[0].Direction == finding.Unclear && got.Changes[0].Setting == "limits.a"; unclear != c.unclear || !unclear && len(got.Changes) > 0 {
				t.Errorf("got the changes %+v, unclear wanted: %v", got.Changes, c.unclear)
			}
		})
	}
}

// TestUnprovedByASettingOfTheOtherRole: a check about one role may rest on a setting of the other, which then may have changed it
// where it is proved on neither side.
func TestUnprovedByASettingOfTheOtherRole(t *testing.T) {
	const introduction = "server.client_introduction.enforcement"
	for name, c := range map[string]struct {
		id, certificateOf, role, path string
		unclear                       bool
	}{
		"the servers' introduction, of clients":     {"client-is-registered-and-ready", "", "server", introduction, true},
		"a line of that path in the clients' files": {"client-is-registered-and-ready", "", "client", introduction, false},
		"the clients' plugin, of servers":           {"server-offers-x", "", "client", "plugin.raw_exec.config.enabled", true},
		"the clients' certificate, of servers":      {"rpc-gives-x", "client", "client", "tls.cert_file", true},
		"the servers' own, where that is meant":     {"rpc-gives-x", "client", "server", "tls.cert_file", false},
		"what each agent has of its own":            {"client-is-registered-and-ready", "", "server", "tls.rpc", false},
	} {
		e := lock.CheckResult{ID: c.id, Plane: "cluster", Result: finding.Skipped, Reason: "x", Settings: []string{"tls.rpc", c.path}, CertificateOf: c.certificateOf}
		of := func(value string) lock.Posture {
			return lock.Posture{Settings: []finding.Setting{set(c.role, c.path, value, 4)}, Results: []lock.CheckResult{e}}
		}
		got := lock.Compare(of("warn"), of("strict"), "").Changes
		if unclear := len(got) == 1 && got[0].Direction == finding.Unclear && got[0].Setting == c.path && got[0].Line == 4; unclear != c.unclear || !unclear && len(got) > 0 {
			t.Errorf("%s: got the changes %+v, unclear wanted: %v", name, got, c.unclear)
		}
	}
}

// TestOtherSettingsAreTold: of a setting that no check rests on a lock has a mark, which shows that its value has changed
// and does not show the value. It is the cause of nothing.
func TestOtherSettingsAreTold(t *testing.T) {
	of := func(v finding.Result, path, value string) lock.Posture {
		return lock.Of(finding.Report{
			Configuration: &finding.Configuration{
				Settings: []finding.Setting{set("client", "tls.http", "true", 1)},
				Others:   []finding.Setting{set("client", "tls.other", "same", 2), set("client", path, value, 7)},
			},
			Findings: []finding.Finding{{ID: "client-x", Plane: "HTTP", Result: v, Settings: []string{"tls.http"}}},
		})
	}
	text := of(finding.Pass, "client.host_volume.a.path", "/srv/hidden").Lock()
	if strings.Contains(string(text), "/srv/hidden") || !strings.Contains(string(text), "client.host_volume.a.path") {
		t.Errorf("the lock is\n%s", text)
	}
	locked, err := lock.ReadLock("x.lock", text)
	if err != nil {
		t.Fatal(err)
	}
	changed := finding.SettingChange{Role: "client", Path: "client.host_volume.a.path", Before: "(another value)", After: "/", File: "client.hcl", Line: 7}
	if c := lock.CompareLock(locked, of(finding.Pass, "client.host_volume.a.path", "/"), "x.lock"); len(c.Changes) != 0 || !cmp.Equal(c.Settings, []finding.SettingChange{changed}) {
		t.Errorf("beside the lock: %+v", c)
	}
	if c := lock.CompareLock(locked, of(finding.Pass, "client.host_volume.a.path", "/srv/hidden"), "x.lock"); len(c.Settings) != 0 {
		t.Errorf("nothing differs: %+v", c.Settings)
	}
	changed.Before = "/srv/hidden"
	c := lock.Compare(of(finding.Pass, "client.host_volume.a.path", "/srv/hidden"), of(finding.Fail, "client.host_volume.a.path", "/"), "old")
	if !cmp.Equal(c.Settings, []finding.SettingChange{changed}) || c.Changes[0].Setting != "tls.http" {
		t.Errorf("beside another configuration: %+v", c)
	}
}

// TestLockLeavesOutWhatIsLocal: modes of files are in no lock and are compared with none, but failures are noted; two
// configurations of one machine are compared by them too.
func TestLockLeavesOutWhatIsLocal(t *testing.T) {
	mode := func(v finding.Result) finding.Finding {
		return finding.Finding{ID: "server-key-file-is-private", Plane: "files", Result: v, Outcome: "absent", Want: []string{"absent"}, Local: true}
	}
	key := finding.Finding{ID: "server-key-of-authority-lies-elsewhere", Plane: "files", Result: finding.Pass, Outcome: "absent", Want: []string{"absent"}}
	beside := key
	beside.Result, beside.Outcome = finding.Fail, "found"
	of := func(all ...finding.Finding) lock.Posture { return lock.Of(finding.Report{Findings: all}) }

	text := of(mode(finding.Pass), key).Lock()
	if strings.Contains(string(text), "key-file-is-private") {
		t.Errorf("a mode is in the lock:\n%s", text)
	}
	locked, err := lock.ReadLock("x.lock", text)
	if err != nil {
		t.Fatal(err)
	}
	open := lock.CompareLock(locked, of(mode(finding.Fail), key), "x.lock")
	if len(open.Changes) != 0 || !strings.Contains(open.Note, "server-key-file-is-private") {
		t.Errorf("a mode is open beside the lock: %+v", open)
	}
	if sound := lock.CompareLock(locked, of(mode(finding.Pass), key), "x.lock"); len(sound.Changes) != 0 || sound.Note != "" {
		t.Errorf("all checks pass: %+v", sound)
	}
	if both := lock.CompareLock(locked, of(mode(finding.Pass), beside), "x.lock"); len(both.Changes) != 1 || both.Changes[0].Direction != finding.Weaker {
		t.Errorf("the authority's key lies beside: %+v", both.Changes)
	}
	if side := lock.Compare(of(mode(finding.Pass), key), of(mode(finding.Fail), key), "old"); len(side.Changes) != 1 || side.Changes[0].Direction != finding.Weaker {
		t.Errorf("a mode beside another configuration's: %+v", side.Changes)
	}
}

// TestCompareBlamesNoSettingThatDidNotDiffer, where it is unclear whether there was a change at all.
func TestCompareBlamesNoSettingThatDidNotDiffer(t *testing.T) {
	passed := lock.CheckResult{ID: "server-x", Result: finding.Pass, Outcome: "denied", Settings: []string{"acl.enabled"}}
	inconclusive := passed
	inconclusive.Result, inconclusive.Outcome = finding.Inconclusive, "not reached"
	on, off := []finding.Setting{set("server", "acl.enabled", "true", 1)}, []finding.Setting{set("server", "acl.enabled", "false", 1)}
	for name, c := range map[string]struct {
		before, after []finding.Setting
		want          string
	}{"the same": {on, on, ""}, "another": {on, off, "acl.enabled"}} {
		got := lock.Compare(lock.Posture{Settings: c.before, Results: []lock.CheckResult{passed}}, lock.Posture{Settings: c.after, Results: []lock.CheckResult{inconclusive}}, "")
		if s := got.Changes[0].Setting; s != c.want {
			t.Errorf("%s: it blames %q, want %q", name, s, c.want)
		}
	}
}

// TestCompareNamesWhereTheSettingStands: from a report to the change, for a check and for a cell.
func TestCompareNamesWhereTheSettingStands(t *testing.T) {
	before, after := sample(oneRun()), sample(oneRun())
	after.Findings[3].Result, after.Findings[3].Outcome = finding.Fail, "accepted" // at two of three servers
	after.Matrix.Rows[0].Cells[0].Result, after.Matrix.Rows[0].Cells[0].Outcome = finding.Pass, "refused in the handshake"
	after.Configuration.Settings[0].Value, after.Configuration.Settings[0].Line = "false", 70
	var got []finding.Change
	for _, c := range lock.Compare(lock.Of(before), lock.Of(after), "old").Changes {
		got = append(got, finding.Change{ID: c.ID, Setting: c.Setting, File: c.File, Line: c.Line})
	}
	file := after.Configuration.Files[0].Path
	want := []finding.Change{
		{ID: "server-https-refuses-no-certificate", Setting: "tls.verify_https_client", File: file, Line: 70},
		{ID: "matrix/none/HTTPS", Setting: "tls.verify_https_client", File: file, Line: 70},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBySetting(t *testing.T) {
	change := func(id, setting string, line int, way finding.Direction) finding.Change {
		return finding.Change{ID: id, Setting: setting, File: "a.hcl", Line: line, Direction: way}
	}
	a, b, c, d, e := change("a", "tls.http", 1, finding.Weaker), change("b", "acl.enabled", 2, finding.Weaker),
		change("c", "tls.http", 1, finding.Weaker), change("d", "tls.http", 9, finding.Weaker), change("e", "tls.http", 1, finding.Stronger)
	want := []lock.Cause{
		{Setting: "tls.http", File: "a.hcl", Line: 1, Changes: []finding.Change{a, c}},
		{Setting: "acl.enabled", File: "a.hcl", Line: 2, Changes: []finding.Change{b}},
		{Setting: "tls.http", File: "a.hcl", Line: 9, Changes: []finding.Change{d}},
		{Setting: "tls.http", File: "a.hcl", Line: 1, Changes: []finding.Change{e}},
	}
	if diff := cmp.Diff(want, lock.BySetting(finding.Comparison{Changes: []finding.Change{a, b, c, d, e}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := lock.BySetting(finding.Comparison{}); len(got) > 0 {
		t.Errorf("of no changes: %+v", got)
	}
}
