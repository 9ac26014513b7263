package regress_test

import (
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// TestDiffOfVersions: one configuration on two versions of Nomad. What the older one does not know is left out and noted, what the
// newer one protects is stronger, and what both do alike is no change. The other way round it is weaker.
func TestDiffOfVersions(t *testing.T) {
	t.Parallel()
	const older, newer, introduction = "1.10.5", "1.11.3", "server-demands-introductions"
	set := labtest.Engines(t)
	if set.Home().DockerHost() != "" {
		set = processes(t)
	}
	labtest.NeedsNomadFor(t, set.Home(), older)
	source, err := regress.Read(regress.Paths{Server: []string{"../../fixtures/config/hardened/server"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		was, is string
		want    finding.Direction
	}{"upgrade": {older, newer, finding.Stronger}, "downgrade": {newer, older, finding.Weaker}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := regress.Options{
				Engine: set.Home(), Nomad: spec.Nomad{Version: c.is}, OldNomad: &spec.Nomad{Version: c.was}, Name: "versions-" + name,
				Inspect: inspect.Options{Only: []string{introduction, "rpc-refuses-cli-certificate"}},
			}
			r, err := regress.Diff(t.Context(), o, "old", source, source)
			if err != nil {
				t.Fatal(err)
			}
			got := r.Comparison
			if got.Nomad != (finding.NomadChange{Before: c.was, After: c.is}) || len(got.Changes) != 1 || got.Changes[0].ID != introduction || got.Changes[0].Direction != c.want {
				t.Errorf("%+v", got)
			}
			if !slices.ContainsFunc(r.Notes, func(n string) bool {
				return strings.Contains(n, "server.client_introduction of your servers") && strings.Contains(n, "Nomad 1.10.5 does not know it")
			}) {
				t.Errorf("what was left out is not noted: %q", r.Notes)
			}
		})
	}
	t.Run("without two versions it is refused", func(t *testing.T) {
		t.Parallel()
		o := regress.Options{Engine: set.Home(), Nomad: spec.Nomad{Version: older}, Name: "versions-refused", Inspect: inspect.Options{Only: []string{introduction}}}
		if _, err := regress.Check(t.Context(), o, source); err == nil || !strings.Contains(err.Error(), "unexpected keys client_introduction") {
			t.Errorf("Nomad %s read it: %v", older, err)
		}
	})
}

// processes returns the engine without containers.
func processes(t *testing.T) *engines.Set {
	t.Helper()
	set, err := engines.Open(t.Context(), engines.Process)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	return set
}
