package mutation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// TestSettingsAreWhatFails: if one setting was changed and a check failed, the check names that setting; and a
// setting that a check names and some mutation changes was seen to make it fail.
func TestSettingsAreWhatFails(t *testing.T) {
	seen, err := mutation.AllSeen()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range wrongSettings(specs(t), mutation.All(), seen) {
		t.Error(fault)
	}
}

// wrongSettings lists the settings of checks that do not match what was seen.
func wrongSettings(checks []posture.Spec, all []mutation.Mutation, seen []mutation.Seen) []string {
	var faults []string
	for _, c := range checks {
		matter, changed := map[string]bool{}, map[string]bool{}
		for _, m := range all { // of these package regress sees what they make fail
			ofConfiguration := m.WhyNotInLab() != "" && m.Equivalent == "" && m.File == nil
			if ofConfiguration && c.Plane == probe.PlaneGossip && len(m.Settings) == 1 {
				matter[m.Settings[0]] = true
			}
		}
		for _, s := range seen {
			at := slices.IndexFunc(all, func(m mutation.Mutation) bool { return m.ID == s.Mutation })
			if at < 0 {
				continue
			}
			m := all[at]
			if len(m.Settings) != 1 { // it takes several lines to make the check fail, of which it names one at least
				for _, setting := range m.Settings {
					matter[setting] = matter[setting] || slices.Contains(s.Fails, c.ID)
				}
				continue
			}
			setting := m.Settings[0]
			fails := slices.Contains(s.Fails, c.ID)
			if fails && !slices.Contains(c.Settings, setting) {
				faults = append(faults, fmt.Sprintf("%s (%s) makes %s fail, which rests on %q alone", m.ID, m.Change, c.ID, c.Settings))
			}
			changed[setting] = changed[setting] || touches(m, c)
			matter[setting] = matter[setting] || fails || slices.Contains(s.Void, c.ID)
		}
		if c.Plane == probe.PlaneCluster {
			continue // agents find each other by all of these, and what does not keep them from it shows nothing
		}
		for _, setting := range c.Settings {
			if changed[setting] && !matter[setting] {
				faults = append(faults, fmt.Sprintf("%s names %s, and no mutation of that setting makes it fail", c.ID, setting))
			}
		}
	}
	return faults
}

// touches reports whether agents at which the check runs carry the mutation.
func touches(m mutation.Mutation, c posture.Spec) bool {
	return m.Role == "" || len(c.Roles) == 0 || slices.Contains(c.Roles, m.Role)
}

// TestWrongSettingsAreTold: one setting too few, and one too many. The control names exactly the right ones.
func TestWrongSettingsAreTold(t *testing.T) {
	rows := []mutation.Mutation{
		{ID: "plain", Settings: []string{"tls.http"}}, {ID: "no-acl", Settings: []string{"acl.enabled"}}, {ID: "old", Settings: []string{"tls.tls_min_version"}},
	}
	seen := []mutation.Seen{{Mutation: "plain", Fails: []string{"a"}}, {Mutation: "no-acl"}, {Mutation: "old", Void: []string{"a"}}}
	for name, test := range map[string]struct {
		names []string
		want  string
	}{
		"control":         {[]string{"tls.http"}, ""},
		"too few":         {nil, "plain () makes a fail, which rests on [] alone"},
		"too many":        {[]string{"tls.http", "acl.enabled"}, "a names acl.enabled, and no mutation of that setting makes it fail"},
		"makes it void":   {[]string{"tls.http", "tls.tls_min_version"}, ""},
		"nobody's change": {[]string{"tls.http", "client.servers"}, ""},
	} {
		got := strings.Join(wrongSettings([]posture.Spec{{ID: "a", Settings: test.names}}, rows, seen), "\n")
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestSettingsArePaths of lines that a configuration can have.
func TestSettingsArePaths(t *testing.T) {
	for _, s := range specs(t) {
		for at, path := range s.Settings {
			if err := agentconf.CheckSetting(path, ""); err != nil {
				t.Errorf("%s: %v", s.ID, err)
			}
			if slices.Index(s.Settings, path) != at {
				t.Errorf("%s names %s twice", s.ID, path)
			}
		}
	}
}
