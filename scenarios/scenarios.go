// Package scenarios holds the stories that this project tells, one file each. All lists them.
package scenarios

import (
	"fmt"

	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// All returns every scenario, in the order in which a newcomer should read them.
func All() []scenario.Scenario {
	return []scenario.Scenario{plainHTTP(), wrongRole(), gossip(), listener(), tampering(), tamperedPeers(), regions(), electedAgain(), workRuns()}
}

// Find returns the scenarios of those names, in that order. The error lists the names that there are.
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
