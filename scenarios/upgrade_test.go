package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/scenarios"
)

// upgradeTwins are upgrades with one thing done wrong.
func upgradeTwins() []wrongTwin {
	first := func(p *rollout.Plan, is func(rollout.Step) bool) {
		at := slices.IndexFunc(p.Steps, is)
		s := p.Steps[at]
		p.Steps = slices.Insert(slices.Delete(p.Steps, at, at+1), 0, s)
	}
	return []wrongTwin{
		{
			name: "the client is upgraded first", sample: true,
			scenario: scenarios.UpgradeEdited(func(p *rollout.Plan) {
				first(p, func(s rollout.Step) bool { return strings.HasPrefix(s.Node, "client") })
			}),
			fails: map[int]string{upgradeStep: "a client is newer than a server"},
		},
		{
			name: "the leader is upgraded first",
			scenario: scenarios.UpgradeEdited(func(p *rollout.Plan) {
				leader := 2 // the last of three servers
				n := p.Steps[leader].Node
				first(p, func(s rollout.Step) bool { return s.Node == n })
			}),
			fails: map[int]string{upgradeStep: "leads, and is restarted before"},
		},
		{
			name: "nobody waits for a server",
			scenario: scenarios.UpgradeEdited(func(p *rollout.Plan) {
				for i := range p.Steps {
					p.Steps[i].Await = nil
				}
			}),
			fails: map[int]string{upgradeStep: "the next node must wait for it"},
		},
	}
}

// TestUpgradesCanFail does one thing wrong in each upgrade: the scenario must notice it.
func TestUpgradesCanFail(t *testing.T) {
	for _, w := range sampleOn(t, upgradeTwins(), func(w wrongTwin) bool { return w.sample }) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := within(w.scenario, w.within, upgradeStep)
			w.demand(t, survey(t, labtest.StartFor(t, s), s))
		})
	}
}

// upgradeStep is the number of the step that upgrades.
const upgradeStep = 2
