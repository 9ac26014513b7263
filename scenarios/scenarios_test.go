package scenarios_test

import (
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/scenarios"
)

// TestScenarios carries out every scenario on a fresh cluster of its own.
func TestScenarios(t *testing.T) {
	all := scenarios.All()
	if len(all) == 0 {
		t.Fatal("there is no scenario: nothing would be proved")
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			labtest.Play(t, s)
		})
	}
}
