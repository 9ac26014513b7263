package scenarios_test

import "nomadlab.internal/lab/spec"

const (
	ownName    = "vault-gives-a-node-its-own-name-alone"
	vaultGuide = "a-guides-role-lets-a-client-pose-as-a-server"
)

// vaultMutations are those of the scenarios about Vault: each is the other one's lab.
func vaultMutations() []mutation {
	published := func(yes bool) spec.Option { return func(s *spec.Spec) { s.Authority.AsPublished = yes } }
	return []mutation{
		{
			scenario: ownName, sample: true, change: "Vault is set up as the guide has it", spec: published(true),
			fail: []string{
				"vault-denies-to-take-a-servers-name-at-its-own-role", "vault-denies-to-take-a-servers-name-beside-its-own",
				"vault-denies-to-take-a-wildcard", "vault-denies-to-outlive-max_ttl-of-its-role",
			},
			fails: map[int]string{2: "trusts another authority than the root", 3: "certificate signed by unknown authority"},
		},
		{
			scenario: vaultGuide, sample: true, change: "Vault is set up in the safe way", spec: published(false),
			fails: map[int]string{1: "not allowed by this role", 2: "permission denied", 3: "is verified by an authority to which"},
		},
	}
}
