package labtest

import (
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/spec"
)

// StartOn is Start on the engine of a kind, whatever the environment says, which tests that run in parallel share.
func StartOn(t testing.TB, k engines.Kind, options ...spec.Option) *lab.Lab {
	t.Helper()
	return start(t, open(t, k), options, lab.Ready)
}

// EngineOf is Engine of a kind, whatever the environment says.
func EngineOf(t testing.TB, k engines.Kind) engine.Engine {
	t.Helper()
	return open(t, k).Home()
}
