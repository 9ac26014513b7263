package main

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// placedEngine is an engine with that Docker daemon, or with none.
type placedEngine struct {
	engine.Engine
	host string
}

func (e placedEngine) DockerHost() string { return e.host }

// TestWarningOfOtherMachines warns about containers that other machines may reach, if the lab may lack a protection.
func TestWarningOfOtherMachines(t *testing.T) {
	docker, processes := placedEngine{host: "unix:///var/run/docker.sock"}, placedEngine{}
	overridden := spec.Spec{}.With(spec.Set("", "enable_debug", "true"))
	for name, test := range map[string]struct {
		spec spec.Spec
		on   engine.Engine
		want bool
	}{
		"overridden, in containers":       {overridden, docker, true},
		"not bootstrapped, in containers": {spec.Spec{Hardened: true, NotBootstrapped: true}, docker, true},
		"sound, in containers":            {spec.Spec{}, docker, false},
		"overridden, processes":           {overridden, processes, false},
	} {
		if got := strings.Contains(strings.Join(warnings(test.spec, test.on), "\n"), "other machines"); got != test.want {
			t.Errorf("%s: the warning is there: %t, want %t", name, got, test.want)
		}
	}
}
