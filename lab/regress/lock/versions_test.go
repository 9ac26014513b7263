package lock_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// notFor is a check that was skipped because of the version of Nomad.
func notFor() lock.CheckResult {
	r := ended(finding.Skipped, "")
	r.NotForVersion, r.Reason = true, "the check is for Nomad 1.11.0 and newer"
	return r
}

func of(nomad string, r lock.CheckResult) lock.Posture {
	r.Settings = []string{"tls.rpc"}
	return lock.Posture{Nomad: nomad, Results: []lock.CheckResult{r}, Settings: []finding.Setting{{Role: "server", Path: "tls.rpc", Value: "true", File: "a.hcl", Line: 7}}}
}

// TestCompareVersions: between two versions it counts what each protects; within one version it does not.
func TestCompareVersions(t *testing.T) {
	open, closed := ended(finding.Fail, "accepted"), ended(finding.Pass, "denied")
	letsIn, refuses := cell(ended(finding.Pass, "accepted")), cell(ended(finding.Pass, "denied"))
	for name, c := range map[string]struct {
		before, after     lock.CheckResult
		versions, version finding.Direction // between two versions, and within one. Empty: no change
	}{
		"a protection that only the new one has":      {notFor(), closed, finding.Stronger, finding.Unclear},
		"the same, unused":                            {notFor(), open, "", finding.Unclear},
		"a protection that only the old one has":      {closed, notFor(), finding.Weaker, finding.Unclear},
		"the same, unused before":                     {open, notFor(), "", finding.Unclear},
		"a protection that neither has":               {notFor(), notFor(), "", ""},
		"a certificate that the new one refuses":      {letsIn, refuses, finding.Stronger, ""},
		"a certificate that the new one lets in":      {refuses, letsIn, finding.Weaker, ""},
		"a certificate that both refuse":              {refuses, refuses, "", ""},
		"a check that fails with the new one":         {closed, open, finding.Weaker, finding.Weaker},
		"a check that passes with the new one":        {open, closed, finding.Stronger, finding.Stronger},
		"a check that was skipped for another reason": {ended(finding.Skipped, ""), closed, finding.Unclear, finding.Unclear},
	} {
		for after, want := range map[string]finding.Direction{"1.11.3": c.versions, "1.10.5": c.version, "": c.version} {
			got := lock.Compare(of("1.10.5", c.before), of(after, c.after), "old")
			var direction finding.Direction
			if len(got.Changes) > 0 {
				direction = got.Changes[0].Direction
			}
			if direction != want {
				t.Errorf("%s, 1.10.5 to %q: %q, want %q", name, after, direction, want)
			}
			if versions := got.Nomad != (finding.NomadChange{}); versions != (after == "1.11.3") {
				t.Errorf("%s, 1.10.5 to %q: versions %+v", name, after, got.Nomad)
			}
		}
	}
}

// TestCauseBetweenVersions: a change between two versions is put down to no setting that is the same on both sides.
func TestCauseBetweenVersions(t *testing.T) {
	open, closed := ended(finding.Fail, "accepted"), ended(finding.Pass, "denied")
	for after, want := range map[string]string{"1.10.5": "tls.rpc", "1.11.3": ""} {
		got := lock.Compare(of("1.10.5", closed), of(after, open), "old")
		if len(got.Changes) != 1 || got.Changes[0].Setting != want {
			t.Errorf("1.10.5 to %s: %+v, want the setting %q", after, got.Changes, want)
		}
	}
}

// TestUnusedProtectionsAreNoted: what the newer version would protect, and the configuration does not use, is no change, and is said.
func TestUnusedProtectionsAreNoted(t *testing.T) {
	got := lock.Compare(of("1.10.5", notFor()), of("1.11.3", ended(finding.Fail, "accepted")), "old")
	if len(got.Changes) != 0 || !strings.Contains(got.Note, "1.11.3 offers protections that 1.10.5 does not have") || !strings.Contains(got.Note, "raft-refuses-x") {
		t.Errorf("%+v", got)
	}
	if got = lock.Compare(of("1.10.5", notFor()), of("1.11.3", ended(finding.Pass, "denied")), "old"); got.Note != "" {
		t.Errorf("what is used is noted: %s", got.Note)
	}
}
