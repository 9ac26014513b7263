package posture_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/posture"
)

// TestChecksAreForVersions: a check is skipped at an agent of a version that it is not for, runs at any other, and says of a version
// for which it was not verified that it was not.
func TestChecksAreForVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since, until, agent string
		skipped             string // words of the reason. Empty: it runs
		unverified          bool
	}{
		"for all":               {agent: "1.11.3"},
		"before it":             {since: "1.11.0", agent: "1.10.5", skipped: "for Nomad 1.11.0 and newer, and this agent runs 1.10.5: it knew no such thing"},
		"from it on":            {since: "1.11.0", agent: "1.11.0", unverified: true},
		"after its end":         {until: "1.11.0", agent: "1.11.3", skipped: "versions of Nomad before 1.11.0, and this agent runs 1.11.3: it knew no such thing"},
		"before its end":        {until: "1.11.0", agent: "1.10.5"},
		"enterprise":            {since: "1.11.0", agent: "1.10.5+ent", skipped: "1.10.5+ent"},
		"enterprise, verified":  {agent: "1.11.3+ent"},
		"a version of tomorrow": {since: "1.11.0", agent: "2.0.4", unverified: true},
		"a version not known":   {since: "1.11.0"},
		"what is no version":    {since: "1.11.0", agent: "dev", unverified: true},
		"a prerelease of it":    {since: "1.11.0", agent: "1.11.0-rc.1", skipped: "1.11.0-rc.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := whole()
			s.Since, s.Until = c.since, c.until
			if c.since+c.until != "" {
				s.Bound = "it knew no such thing"
			}
			target := server()
			target.Nomad = c.agent
			f := posture.Must(s).Evaluate(t.Context(), target)
			if (f.Result == finding.Skipped) != (c.skipped != "") || !strings.Contains(f.Reason, c.skipped) {
				t.Errorf("%s: %s", f.Result, f.Reason)
			}
			if (f.Unverified != "") != c.unverified || c.unverified && !strings.Contains(f.Unverified, "verified with Nomad 1.10.5, 1.11.3, and this agent runs "+c.agent) {
				t.Errorf("unverified: %q", f.Unverified)
			}
		})
	}
}

// TestVersionsThatAreRefused: New refuses bounds that say nothing.
func TestVersionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*posture.Spec){
		"no version":      func(s *posture.Spec) { s.Since, s.Bound = "1.11", "because" },
		"no reason":       func(s *posture.Spec) { s.Since = "1.11.0" },
		"a reason alone":  func(s *posture.Spec) { s.Bound = "because" },
		"for none":        func(s *posture.Spec) { s.Since, s.Until, s.Bound = "1.11.0", "1.11.0", "because" },
		"verified for v1": func(s *posture.Spec) { s.Verified = []string{"v1.11.3"} },
	} {
		s := whole()
		if _, err := posture.New(s); err != nil {
			t.Fatal(err)
		}
		change(&s)
		if _, err := posture.New(s); err == nil {
			t.Errorf("%s: it was built", name)
		}
	}
}
