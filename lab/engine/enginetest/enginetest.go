// Package enginetest is the conformance suite of engines. Its checks test what the documentation of package engine says of
// every engine. An engine's tests call [Run], and test what is specific to the engine themselves.
package enginetest

import (
	"context"
	"net/netip"
	"testing"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// Subject is the engine under test, with what the suite needs to know of it.
type Subject struct {
	// Engine is used by several checks at once. The suite does not close it.
	Engine engine.Engine
	// Subnets is the range from which the suite chooses a /24 for each of its labs. It must have at least 2^12 of them, be
	// outside Site.Pools, and be reserved for tests.
	Subnets netip.Prefix
	// Prepare sets the Image and User of a node or task, and a node's one port. The image must have sh, cat, grep, id, nomad,
	// pwd, sleep, stat (with -c), stty, touch and tty. Prepare is called before the suite sets the command and the files.
	Prepare func(n *engine.Node)
	// Serve sets what a prepared node needs to run a service. The service must answer GET / on its port with a text that
	// contains n.Ref.String(), and exit with code 7 on SIGTERM. If nodes can run the test binary, that may call [Service].
	Serve func(n *engine.Node)
	// NoImage is an image that does not exist.
	NoImage string
	// Traces returns a line for each object of a lab and its tasks: its network, nodes, processes, folders. It must not use
	// the engine. The run of every task begins with the lab's run.
	Traces func(ctx context.Context, lab, run string) ([]string, error)
}

// T is what a check needs of a [testing.T]. The suite's own tests use another implementation, which records what is
// reported, to show that each check can fail.
type T interface {
	Helper()
	Cleanup(clean func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// check tests one property of an engine.
type check struct {
	name string
	// run reports failures with t. The lab may have nodes of other checks.
	run func(ctx context.Context, t T, l *lab)
}

// concurrentChecks returns the checks that use nodes of their own in one lab, at the same time.
func concurrentChecks() []check {
	return []check{
		{"NodeLifecycle", nodeLifecycle},
		{"StopKillsAfterGrace", stopKillsAfterGrace},
		{"PauseAndResume", pauseAndResume},
		{"UnknownNode", unknownNode},
		{"NodeFolder", nodeFolder},
		{"CopyOut", copyOutCheck},
		{"CopyIn", copyInCheck},
		{"CopyInWhole", copyInWhole},
		{"Reload", reloadCheck},
		{"RestartProgram", restartCheck},
		{"RestartProgramEnds", restartEnds},
		{"RestartProgramServes", restartServes},
		{"RestartProgramReplaces", restartReplaces},
		{"Logs", logsCheck},
		{"FollowerEndsWithNode", followerEndsWithNode},
		{"FollowerCloses", followerCloses},
		{"Exec", execCheck},
		{"Terminal", terminalCheck},
		{"SubnetTaken", subnetTaken},
	}
}

// sequentialChecks returns the checks that look at the whole lab, one after the other.
func sequentialChecks() []check {
	return []check{
		{"Run", runCheck},
		{"TaskFolder", taskFolder},
		{"TaskRefused", taskRefused},
		{"LabsAndNodes", labsAndNodes},
		{"NetworkExists", networkExists},
		{"RemoveLab", removeLab}, // the last: it removes the lab
	}
}

// Run checks the engine. It creates a few labs and removes them at its end. If the test is killed, watchdogs remove them.
func Run(t *testing.T, s Subject) {
	t.Helper()
	t.Run("concurrent", func(t *testing.T) {
		t.Parallel()
		runAll(t, s, concurrentChecks(), (*testing.T).Parallel)
	})
	t.Run("sequential", func(t *testing.T) {
		t.Parallel()
		runAll(t, s, sequentialChecks(), func(*testing.T) {})
	})
}

// runAll runs the checks in one lab.
func runAll(t *testing.T, s Subject, checks []check, mode func(*testing.T)) {
	t.Helper()
	l := newLab(t.Context(), t, s)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			mode(t)
			ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
			defer cancel()
			c.run(ctx, t, l)
		})
	}
}
