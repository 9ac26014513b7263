// Package scenarios holds the scenarios of this project, one file each. All lists them.
package scenarios

import (
	"context"
	"fmt"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// All returns every scenario, in the order in which a newcomer should read them.
func All() []scenario.Scenario {
	return []scenario.Scenario{
		plainHTTP(), wrongRole(), gossip(), listener(), bitFlips(), bitFlipsBetweenServers(), regions(), electedAgain(), jobRuns(),
		domainOfTheirOwn(), cfsslGuide(), vaultDenies(), vaultGuide(),
		leafRenewal(), newAuthority(), upgraded(), vaultRenews(), leavesFirst(), expired(), reloads(),
		gossipKeys(), gossipAdded(), toTLS(), toTLSByUpgradeMode(), lockedOut(), aclsOn(),
	}
}

// Find returns the scenarios of those names, in that order. The error lists the names that exist.
func Find(names ...string) ([]scenario.Scenario, error) {
	known := map[string]scenario.Scenario{}
	var all []string
	for _, s := range All() {
		known[s.Name] = s
		all = append(all, s.Name)
	}
	var found []scenario.Scenario
	for _, name := range names {
		s, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("%w: no scenario %q, there are %v", spec.ErrInvalid, name, all)
		}
		found = append(found, s)
	}
	return found, nil
}

// action is what a step does.
type action = func(context.Context, *scenario.T) error

// checks returns the action that runs the catalogue's checks of these IDs at every agent that they are for.
func checks(ids ...string) action {
	return func(ctx context.Context, t *scenario.T) error {
		r, err := inspect.Lab(ctx, t.Lab, inspect.Options{Only: ids})
		if err != nil {
			return err
		}
		return t.Record(r.Findings...)
	}
}

// check runs a check of the scenario's own at one node.
func check(ctx context.Context, t *scenario.T, n *lab.Node, s posture.Spec) error {
	return t.Record(posture.Must(s).Evaluate(ctx, inspect.Target(n)))
}
