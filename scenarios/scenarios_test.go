package scenarios_test

import (
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/scenarios"
)

func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }

// TestScenarios carries out every scenario on a fresh cluster of its own, one after another, so that their steps can be read.
func TestScenarios(t *testing.T) {
	all := scenarios.All()
	if len(all) == 0 {
		t.Fatal("there is no scenario: nothing would be proved")
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) { labtest.RunScenario(t, s) })
	}
}
