// Package scenarios holds the stories that this project tells, one file each. All lists them.
package scenarios

import (
	"fmt"

	"nomadlab.internal/lab/spec"
	"nomadlab.internal/lab/story"
)

// All returns every scenario, in the order in which a newcomer should read them.
func All() []story.Scenario {
	return []story.Scenario{plainHTTP(), wrongRole(), gossip(), listener(), tampering(), tamperedPeers(), regions(), electedAgain(), workRuns()}
}

// Find returns the scenarios of those names, in that order. The error lists the names that there are.
func Find(names ...string) ([]story.Scenario, error) {
	known := map[string]story.Scenario{}
	var all []string
	for _, s := range All() {
		known[s.Name] = s
		all = append(all, s.Name)
	}
	var found []story.Scenario
	for _, name := range names {
		s, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("%w: no scenario %q, there are %v", spec.ErrInvalid, name, all)
		}
		found = append(found, s)
	}
	return found, nil
}
