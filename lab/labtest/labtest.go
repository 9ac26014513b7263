// Package labtest gives tests a real Nomad cluster:
//
//	func TestMine(t *testing.T) {
//		cluster := labtest.Start(t, spec.Servers(3), spec.Clients(1))
//		…
//	}
//
// The cluster is removed when the test ends, also if the test binary, or the go command that runs it, is killed. It runs in
// Docker, or as ordinary processes where Docker does not answer. NOMADLAB_ENGINE says which; so does -engine, if TestMain
// calls [Main]. Only this package of the module imports package testing.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// Lifetime is the age at which a later run on this machine may remove a lab, in case even its watchdog was killed.
const Lifetime = 2 * time.Hour

// Start brings up a lab for this test, waits until it is ready, and removes it when the test ends. Without options the lab has
// three servers and two clients. Start fails the test at once if the lab does not come up, and names the folder with its
// logs. Several tests, and several test processes, may have labs at the same time.
func Start(t testing.TB, options ...spec.Option) *lab.Lab {
	t.Helper()
	return start(t, Engines(t), options, lab.Ready)
}

// StartUntil is Start with another wait, for a lab that cannot become ready, such as one whose certificates are wrong. All of
// its agents are started.
func StartUntil(t testing.TB, wait lab.Wait, options ...spec.Option) *lab.Lab {
	t.Helper()
	return start(t, Engines(t), options, wait)
}

func start(t testing.TB, e *engines.Set, options []spec.Option, wait lab.Wait) *lab.Lab {
	t.Helper()
	l, err := up(t, e, options, wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, l) })
	return l
}

func up(t testing.TB, e *engines.Set, options []spec.Option, wait lab.Wait) (*lab.Lab, error) {
	if e.Note() != "" {
		_, _ = fmt.Fprintln(t.Output(), e.Note())
	}
	spec := spec.Spec{}.With(options...)
	if spec.Name == "" {
		spec.Name = Name(t)
	}
	began := time.Now()
	return lab.Up(t.Context(), e.Home(), spec, lab.UpOptions{
		Wait:    wait,
		Expires: time.Now().Add(Lifetime),
		Others:  e.Others(),
		Progress: func(ev lab.Event) {
			_, _ = fmt.Fprintf(t.Output(), "%6.2fs  %s\n", time.Since(began).Seconds(), ev.Text)
		},
	})
}

// end keeps the evidence of a failed test, and removes the lab. The test's own context has ended by then.
func end(t testing.TB, l *lab.Lab) {
	if t.Failed() {
		keepEvidence(t, l)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Removal)
	defer cancel()
	if err := l.Down(ctx); err != nil {
		t.Errorf("remove lab %s: %v", l.Name(), err)
	}
}

func keepEvidence(t testing.TB, l *lab.Lab) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Hang)
	defer cancel()
	at, err := l.Evidence(ctx, errors.New(t.Name()+" failed"))
	t.Logf("logs and configuration of every node: %s", at)
	if err != nil {
		t.Logf("missing there: %v", err)
	}
}

// Leader waits until all running servers of the lab's first region agree on a leader, and returns it. It fails the test if
// they do not.
func Leader(t testing.TB, l *lab.Lab) *lab.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	var leader *lab.Node
	if err := poll.Until(ctx, "a leader that the servers agree on", func(ctx context.Context) string {
		var err error
		if leader, err = l.Leader(ctx, ""); err != nil {
			return err.Error()
		}
		return ""
	}); err != nil {
		t.Fatal(err)
	}
	return leader
}

// Engine returns the engine that Start uses. It is closed when the test ends. Engine fails the test if there is none.
func Engine(t testing.TB) engine.Engine {
	t.Helper()
	return Engines(t).Home()
}
