package inspect

import (
	"fmt"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/fixtures"
)

// weakness is a reason for which promises are known to be broken, with the IDs of the checks that say so.
type knownFailure struct {
	Because string   `yaml:"reason"`
	Breaks  []string `yaml:"checks"`
}

// KnownWeaknesses are the promises that the lab of the zero Spec, which is made for learning, does not keep: the IDs of
// their checks, each with the reason.
func KnownFailures() (map[string]string, error) {
	text, err := fixtures.Posture.ReadFile("posture/default.yaml")
	if err != nil {
		return nil, fmt.Errorf("read the known weaknesses: %w", err)
	}
	var list []knownFailure
	if err := yaml.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the known weaknesses: %w", err)
	}
	known := map[string]string{}
	for _, w := range list {
		for _, id := range w.Breaks {
			known[id] = w.Because
		}
	}
	return known, nil
}
