package inspect_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

// TestOlderVersionsPassTheirChecks: in a hardened cluster of each version for which the catalogue is said to be verified, every check
// that is for it passes, with its control; and the certificates get in where that version lets them in.
func TestOlderVersionsPassTheirChecks(t *testing.T) {
	t.Parallel()
	versions := posture.Verified()
	for _, version := range versions[:len(versions)-1] { // the newest has TestProofOfSoundClusters
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			labtest.NeedsNomad(t, version)
			l := labtest.Start(t, spec.Hardened(), spec.Version(version))
			r, err := inspect.Lab(t.Context(), l, inspect.Options{})
			if err != nil {
				t.Fatal(err)
			}
			tally := labtest.AllPass(t, r, catalogue.RunsElsewhere, "the check is for Nomad 1.11.")
			if tally.Passed < 550 || tally.Cells < 250 {
				t.Errorf("found only %+v", tally)
			}
			skipped := map[string]bool{}
			for _, f := range r.Findings {
				if f.Unverified != "" {
					t.Errorf("%s: %s", f.ID, f.Unverified)
				}
				if strings.Contains(f.Reason, "this agent runs "+version) {
					skipped[f.ID] = true
				}
			}
			if len(skipped) != 5 {
				t.Errorf("not for %s are %v", version, skipped)
			}
			for _, row := range r.Matrix.Rows {
				for _, c := range row.Cells {
					if c.Endpoint == "Node.Register" && row.Certificate == "server-of-another-region" && c.Outcome != "accepted" {
						t.Errorf("%s at %s: %s: the version of this behaviour is another one", row.Certificate, c.Endpoint, c.Outcome)
					}
				}
			}
		})
	}
}
