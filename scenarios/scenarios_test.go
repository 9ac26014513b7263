package scenarios_test

import (
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/scenarios"
)

// election is the scenario that has the machine to itself: what bounds it is Nomad's promise, not how much else the
// machine has to do.
const election = "a-leader-is-elected-and-elected-again"

func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }

// TestScenarios carries out every scenario on a fresh cluster of its own.
func TestScenarios(t *testing.T) {
	all := scenarios.All()
	if len(all) == 0 {
		t.Fatal("there is no scenario: nothing would be proved")
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			if s.Name != election {
				t.Parallel()
			}
			labtest.Play(t, s)
		})
	}
}
