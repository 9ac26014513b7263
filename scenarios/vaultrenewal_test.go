package scenarios_test

import (
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/scenarios"
)

// TestVaultRenewalCanFail seals Vault, so that nothing is renewed: the scenario must notice it.
func TestVaultRenewalCanFail(t *testing.T) {
	labtest.NeedsVault(t)
	t.Parallel()
	s := scenarios.VaultSealed()
	w := wrongTwin{fails: map[int]string{2: "serves a certificate that has ended"}}
	w.demand(t, survey(t, labtest.StartFor(t, s), s))
}

// TestProofOfRenewalByVault has each certificate renewed three times, which takes three of its lives.
func TestProofOfRenewalByVault(t *testing.T) {
	labtest.RunScenario(t, scenarios.VaultRenewing(3))
}
