package lock_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// TestOfPutsNodesTogether: a check is as good as it is at the worst node.
func TestOfPutsNodesTogether(t *testing.T) {
	cluster := finding.Cluster{Nodes: []finding.Node{
		{Name: "s1", Role: "server"}, {Name: "s2", Role: "server"}, {Name: "s3", Role: "server"}, {Name: "c1", Role: "client"}, {Name: "c2", Role: "client"},
	}}
	found := func(node string, v finding.Result, outcome, reason string) finding.Finding {
		return finding.Finding{ID: "x", Plane: "HTTP", Title: "X", Severity: "low", Settings: []string{"a.b"}, Want: []string{"denied"}, Node: node, Result: v, Outcome: outcome, Reason: reason}
	}
	passed := func(node string) finding.Finding { return found(node, finding.Pass, "denied", "as wanted") }
	for name, c := range map[string]struct {
		findings []finding.Finding
		want     lock.CheckResult
	}{
		"all alike": {[]finding.Finding{passed("s1"), passed("s2")}, lock.CheckResult{Result: finding.Pass, Outcome: "denied"}},
		"passed in two ways": {
			[]finding.Finding{passed("s1"), found("s2", finding.Pass, "accepted", "")}, lock.CheckResult{Result: finding.Pass, Outcome: "accepted or denied"},
		},
		"failed at one": {
			[]finding.Finding{passed("s1"), found("s2", finding.Fail, "accepted", "open"), passed("s3")},
			lock.CheckResult{Result: finding.Fail, Outcome: "accepted", At: "1 of 3 servers", Reason: "wanted was denied"},
		},
		"failed at all": {
			[]finding.Finding{found("s1", finding.Fail, "accepted", "open"), found("s2", finding.Fail, "accepted", "open too")},
			lock.CheckResult{Result: finding.Fail, Outcome: "accepted", Reason: "wanted was denied"},
		},
		"failed at one of each role, and more of one": {
			[]finding.Finding{passed("s1"), found("s2", finding.Fail, "accepted", ""), found("c1", finding.Fail, "accepted", ""), found("c2", finding.Fail, "accepted", "")},
			lock.CheckResult{Result: finding.Fail, Outcome: "accepted", At: "1 of 2 servers and 2 of 2 clients", Reason: "wanted was denied"},
		},
		"failed beats inconclusive": {
			[]finding.Finding{found("s1", finding.Inconclusive, "failed", ""), found("s2", finding.Fail, "accepted", "")},
			lock.CheckResult{Result: finding.Fail, Outcome: "accepted", At: "1 of 2 servers", Reason: "wanted was denied"},
		},
		"inconclusive beats passed": {
			[]finding.Finding{found("s1", finding.Inconclusive, "failed", "s1 is slow"), passed("s2")},
			lock.CheckResult{Result: finding.Inconclusive, Outcome: "failed", At: "1 of 2 servers", Reason: "the agent is slow"},
		},
		"passed beats skipped": {
			[]finding.Finding{found("s1", finding.Skipped, "", "no address"), passed("s2")}, lock.CheckResult{Result: finding.Pass, Outcome: "denied", At: "1 of 2 servers"},
		},
		"failed beats skipped, of which none are counted": {
			[]finding.Finding{found("s1", finding.Skipped, "", "its leader answers for it"), found("s2", finding.Fail, "accepted", "wanted was denied")},
			lock.CheckResult{Result: finding.Fail, Outcome: "accepted", Reason: "wanted was denied"},
		},
		"skipped for two reasons": {
			[]finding.Finding{found("s1", finding.Skipped, "", "no key"), found("s2", finding.Skipped, "", "no address"), found("s3", finding.Skipped, "", "no key")},
			lock.CheckResult{Result: finding.Skipped, Reason: "no address; no key"},
		},
		"an unknown result": {[]finding.Finding{found("s1", "passed", "denied", "so it is")}, lock.CheckResult{Result: finding.Inconclusive, Outcome: "denied", Reason: "so it is"}},
		"no result at one":  {[]finding.Finding{passed("s1"), found("s2", "", "", "")}, lock.CheckResult{Result: finding.Inconclusive, At: "1 of 2 servers"}},
		"at agents that the cluster does not list": {
			[]finding.Finding{passed("x1"), found("x2", finding.Fail, "accepted", "")},
			lock.CheckResult{Result: finding.Fail, Outcome: "accepted", At: "1 of 2 agents", Reason: "wanted was denied"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.want
			want.ID, want.Plane, want.Title, want.Severity, want.Settings = "x", "HTTP", "X", "low", []string{"a.b"}
			got := lock.Of(finding.Report{Cluster: cluster, Findings: c.findings})
			if diff := cmp.Diff(lock.Posture{Results: []lock.CheckResult{want}}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOfTellsReasonsThatStay: the reason for what was not tried contains nothing of the run.
func TestOfTellsReasonsThatStay(t *testing.T) {
	for reason, want := range map[string]string{
		`the check is for agents of role [server]; web.1 is of role "client"`: `the check is for agents of role [server]`,
		"web.1 has no address for the RPC plane":                              "the agent has no address for the RPC plane",
		"web.1's log, as web.1 says, and web.10's":                            "the agent's log, as the agent says, and web.10's",
		"web.1 web.1 web.1":                                                  "the agent the agent the agent",
		"webs1 and x-web.1 and web.1-x stay":                                 "webs1 and x-web.1 and web.1-x stay",
		"the run was ended before: context deadline exceeded":                "the run was ended before",
		"a management token is not at hand":                                  "a management token is not at hand",
		"no key of the cluster's authority is at hand, so it cannot be made": "no key of the cluster's authority is at hand",
		`the control gave "failed" before the probe, not "accepted", so an outcome of the probe proves nothing: x`: `the control gave "failed" before the probe, not "accepted"`,
		`the probe gave "denied", but perhaps for another reason: the log did not show it within 3s`:               `the probe gave "denied", but perhaps for another reason`,
		"no log within 3s, 1.5s, 2m30s, 120 ms or 2 minutes":                                                       "no log within …, …, …, … or …",
		"dial tcp 127.0.0.1:4646, [::1]:80, fe80::1:2, ::, localhost:29831 or 10.1.2.0/24":                         "dial tcp …, …, …, ::, … or …",
		"since 2026-11-28T08:30:05.123Z, 2026-11-28 08:30:05 UTC, 2026-11-28 and 08:30":                            "since …, …, … and …",
		"allocation 7f3c9a11-2b4d-4e6f-8a9b-0c1d2e3f4a5b of deadbeefdeadbeef":                                      "allocation … of …",
		"get https://127.0.0.1:4646/v1/agent/self?x=1 failed":                                                      "get … failed",
		"open /tmp/nomadlab/labs/x.1a2b/ca.pem failed":                                                             "open … failed",
		"it needs TLS 1.2, RSA with 1024 bits, and Nomad 1.11.3":                                                   "it needs TLS 1.2, RSA with … bits, and Nomad 1.11.3",
		"two\nlines\tand   spaces":  "two lines and spaces",
		"":                          "",
		strings.Repeat("long ", 50): strings.Repeat("long ", 24) + "…",
	} {
		for _, v := range []finding.Result{finding.Skipped, finding.Inconclusive} {
			got := lock.Of(finding.Report{
				Cluster:  finding.Cluster{Nodes: []finding.Node{{Name: "web.1", Role: "server"}, {Name: "web", Role: "client"}}},
				Findings: []finding.Finding{{ID: "x", Node: "web.1", Result: v, Reason: reason}},
			})
			if got := got.Results[0].Reason; got != want {
				t.Errorf("%q is told as\n%q, want\n%q", reason, got, want)
			}
		}
	}
}

// TestOfSettings: the order of lines and files makes no difference, nor does a line that says the same again.
func TestOfSettings(t *testing.T) {
	of := func(settings ...finding.Setting) []finding.Setting {
		return lock.Of(finding.Report{Configuration: &finding.Configuration{Settings: settings}}).Settings
	}
	a, b, again := set("server", "b", "1", 1), set("client", "a", "2", 2), set("server", "b", "1", 9)
	if diff := cmp.Diff([]finding.Setting{b, again}, of(a, b, again)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := of(set("server", "b", "2", 1), a); len(got) != 1 || got[0].Value != "1, 2" {
		t.Errorf("two values of one setting: %+v", got)
	}
	if got := lock.Of(finding.Report{}); len(got.Settings)+len(got.Results) > 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
