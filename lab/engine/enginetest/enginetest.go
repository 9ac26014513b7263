// Package enginetest is the conformance suite of engines: each check demands what the documentation of package engine
// promises, and nothing that only one engine does. An engine's tests call [Run]; what else it promises, its own tests check.
package enginetest

import (
	"context"
	"net/netip"
	"testing"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// Subject is the engine under test, with what the suite must know of it and cannot ask it for.
type Subject struct {
	// Engine is used by several checks at once, and not closed.
	Engine engine.Engine
	// Subnets is the range that the suite chooses the subnets of its labs from, each a /24. It must have at least 2^12 of
	// them, lie outside of where labs look for theirs (Site.Pools), and be reserved for tests.
	Subnets netip.Prefix
	// Prepare sets the Image of a node or of a task, its User, and the one port of a node. In that image are sh, cat, grep,
	// id, pwd, sleep, stat (with -c), stty, touch and tty. It is called before the suite sets the command and the files.
	Prepare func(n *engine.Node)
	// Serve sets what a prepared node needs to run a service: it answers GET / on its port with a text that contains
	// n.Ref.String(), and ends with exit code 7 on SIGTERM. Where nodes can run the test binary, it may call [Service].
	Serve func(n *engine.Node)
	// NoImage is an image that does not exist.
	NoImage string
	// Traces returns a line for each thing that there is of a lab or of a task that was run beside it, found by other means
	// than the engine's: its network, its nodes, processes, folders. The run of every task begins with the lab's run.
	Traces func(ctx context.Context, lab, run string) ([]string, error)
}

// T is what a check needs of a [testing.T]. The suite's own tests give it another one, which keeps what is reported, so that
// they see that each check can fail.
type T interface {
	Helper()
	Cleanup(clean func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// check is one promise of an engine.
type check struct {
	name string
	// run reports with t where the promise is not kept. The lab may have nodes of other checks.
	run func(ctx context.Context, t T, l *lab)
}

// besideOthers are checks that have nodes of their own in one lab, at the same time.
func besideOthers() []check {
	return []check{
		{"LifeOfANode", lifeOfANode},
		{"StopKillsAfterItsGrace", stopKillsAfterItsGrace},
		{"PausedNodeIsSilent", pausedNodeIsSilent},
		{"StrangersAreNotFound", strangersAreNotFound},
		{"FilesComeOut", filesComeOut},
		{"LogsHaveEveryLine", logsHaveEveryLine},
		{"FollowerHearsEverything", followerHearsEverything},
		{"FollowerEndsWhenClosed", followerEndsWhenClosed},
		{"Exec", execReturnsWhatWasSaid},
		{"Terminal", terminalIsTheCommands},
		{"SubnetIsTakenOnce", subnetIsTakenOnce},
	}
}

// oneByOne are checks that look at all that there is of their lab, one after the other.
func oneByOne() []check {
	return []check{
		{"Run", runReturnsWhatWasSaid},
		{"TaskHasAPlaceOfItsOwn", taskHasAPlaceOfItsOwn},
		{"TaskThatCannotBe", taskThatCannotBe},
		{"LabsAndNodes", labsAndNodes},
		{"ALabHasOneNetwork", aLabHasOneNetwork},
		{"RemoveTakesOneLab", removeTakesOneLab}, // the last: it takes the lab
	}
}

// Run checks the engine. It makes a few labs, and nothing of them is left at its end; should the test be killed, watchdogs
// remove them.
func Run(t *testing.T, s Subject) {
	t.Helper()
	t.Run("beside others", func(t *testing.T) {
		t.Parallel()
		runAll(t, s, besideOthers(), (*testing.T).Parallel)
	})
	t.Run("one by one", func(t *testing.T) {
		t.Parallel()
		runAll(t, s, oneByOne(), func(*testing.T) {})
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
