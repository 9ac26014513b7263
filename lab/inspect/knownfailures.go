package inspect

import (
	"fmt"

	"github.com/goccy/go-yaml"

	"nomadlab.internal/fixtures"
)

// knownFailure is a reason for which checks are known to fail, with their IDs.
type knownFailure struct {
	Because string   `yaml:"reason"`
	Breaks  []string `yaml:"checks"`
}

// KnownFailures returns the IDs of the checks that fail in the default lab, each with the reason.
func KnownFailures() (map[string]string, error) {
	text, err := fixtures.Posture.ReadFile("posture/default.yaml")
	if err != nil {
		return nil, fmt.Errorf("read the known failures: %w", err)
	}
	var list []knownFailure
	if err := yaml.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the known failures: %w", err)
	}
	known := map[string]string{}
	for _, w := range list {
		for _, id := range w.Breaks {
			known[id] = w.Because
		}
	}
	return known, nil
}
