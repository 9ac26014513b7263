package main

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// placedEngine is one whose labs are at that Docker daemon; empty: at none.
type placedEngine struct {
	engine.Engine
	host string
}

func (e placedEngine) DockerHost() string { return e.host }

// TestWarningOfOtherMachines: a lab that lacks a protection is told that others may reach its containers. One that lacks none, and one
// without containers, is not.
func TestWarningOfOtherMachines(t *testing.T) {
	docker, processes := placedEngine{host: "unix:///var/run/docker.sock"}, placedEngine{}
	weakened := spec.Spec{}.With(spec.Set("", "enable_debug", "true"))
	for name, test := range map[string]struct {
		spec spec.Spec
		on   engine.Engine
		want bool
	}{
		"weakened, in containers":         {weakened, docker, true},
		"not bootstrapped, in containers": {spec.Spec{Hardened: true, NotBootstrapped: true}, docker, true},
		"sound, in containers":            {spec.Spec{}, docker, false},
		"weakened, processes":             {weakened, processes, false},
	} {
		if got := strings.Contains(strings.Join(warnings(test.spec, test.on), "\n"), "other machines"); got != test.want {
			t.Errorf("%s: it is told: %t, want %t", name, got, test.want)
		}
	}
}
