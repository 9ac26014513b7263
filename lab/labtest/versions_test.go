package labtest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

const older = "1.10.5"

// TestEachNodeHasItsVersion: in a lab of two versions each agent says that it runs its own, on each engine, and the lab is ready.
func TestEachNodeHasItsVersion(t *testing.T) {
	t.Parallel()
	for _, k := range []engines.Kind{engines.Process, engines.Docker} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			labtest.NeedsNomadFor(t, labtest.EngineOf(t, k), older)
			l := labtest.StartOn(t, k, spec.Hardened(), spec.VersionOn("server-1", older), spec.VersionOn("client-2", older))
			status := l.Status(t.Context())
			if !status.Ready || l.NomadVersion() != image.DefaultVersion {
				t.Errorf("ready: %t, %v, Nomad %s", status.Ready, status.Trouble, l.NomadVersion())
			}
			got, want := map[string]string{}, map[string]string{
				"server-1": older, "server-2": image.DefaultVersion, "server-3": image.DefaultVersion, "client-1": image.DefaultVersion, "client-2": older,
			}
			for _, n := range status.Nodes {
				got[n.Name] = n.Nomad
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if len(status.Advisories) != 2 || !strings.Contains(strings.Join(status.Advisories, " "), "Nomad "+older+" is affected by HCSEC-2026-22") {
				t.Errorf("advisories: %q", status.Advisories)
			}
			for _, n := range l.Nodes() {
				c, err := n.API()
				if err != nil {
					t.Fatal(err)
				}
				self, err := c.Agent().Self()
				if err != nil {
					t.Fatal(err)
				}
				of, _ := self.Config["Version"].(map[string]any)
				if of["Version"] != want[n.Name()] || n.NomadVersion() != want[n.Name()] {
					t.Errorf("%s says %v, the lab says %s, want %s", n.Name(), of["Version"], n.NomadVersion(), want[n.Name()])
				}
			}
		})
	}
}

// TestVersionThatCannotBeHad: the error comes before anything is made, and names what there is, also for one node.
func TestVersionThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]spec.Option{"lab": spec.Version("1.99.9"), "node": spec.VersionOn("server-2", "1.99.9"), "text": spec.Version("newest")} {
		var phases []string
		_, err := lab.Up(t.Context(), labtest.EngineOf(t, engines.Process), spec.Spec{}.With(spec.Name(victimName()), option), lab.UpOptions{
			Progress: func(e lab.Event) { phases = append(phases, e.Phase) },
		})
		if !errors.Is(err, image.ErrUnknownVersion) || !lab.IsUserError(err) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range []string{"1.10.5, 1.11.3", "--nomad-binary", "--engine docker"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q is not in %v", name, word, err)
			}
		}
		if strings.Contains(strings.Join(phases, " "), "network") {
			t.Errorf("%s: the lab was begun: %v", name, phases)
		}
	}
}
