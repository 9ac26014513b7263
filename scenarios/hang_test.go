package scenarios_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
	"nomadlab.internal/scenarios"
)

const (
	// stepWithin bounds each step on a lab that does not answer, on a machine that is not busy.
	stepWithin = 300 * time.Millisecond
	// overdue is when the server is resumed all the same, so that the test fails instead of hanging as well.
	overdue = deadline.Start
)

// TestAHangingAgentHoldsNoStep: the server accepts connections and does not answer, as on a machine that is swapping. No
// check passes on it, and each step must end in its time.
func TestAHangingAgentHoldsNoStep(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0), allExtraNodes)
	wake := pause(t, l)
	defer time.AfterFunc(overdue, wake).Stop()
	for _, s := range scenarios.All() {
		var late []time.Duration
		ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
		r, err := wrapped(s, timed(&late)).Survey(ctx, l, silent{})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		for i, by := range late {
			if by > 0 {
				t.Errorf("%s, step %d ended %s later than it may once its time is up", s.Name, i+1, by)
			}
		}
		passed := slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Result == finding.Pass })
		if passed || len(r.Findings) == 0 && len(r.Failed) == 0 {
			t.Errorf("%s passes on a server that does not answer: findings %v, failed steps %v", s.Name, r.Findings, r.Failed)
		}
	}
}

// TestAServerThatCannotBeAskedIsNoAnswer: while a server is away, its members are not known.
func TestAServerThatCannotBeAskedIsNoAnswer(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0), allExtraNodes)
	server := l.Servers()[0]
	if err := server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := make(chan error, 1)
	time.AfterFunc(time.Second, func() { back <- server.Start(t.Context()) })
	found, err := scenarios.Find(gossip)
	if err != nil {
		t.Fatal(err)
	}
	steps := found[0].Steps
	found[0].Steps = func() []scenario.Step { return steps()[1:2] }
	if _, err := found[0].Run(t.Context(), l, silent{}); err != nil {
		t.Errorf("a server without a key must be refused once a server is back: %v", err)
	}
	if err := <-back; err != nil {
		t.Error(err)
	}
}

// allExtraNodes adds the extra nodes of every scenario, with certificates that the builtin source can issue, and without what only
// a hardened lab has.
func allExtraNodes(s *spec.Spec) {
	for _, all := range scenarios.All() {
		for _, n := range all.Spec.ExtraNodes {
			n.CertificateDomain, n.Introduction = "", ""
			s.ExtraNodes = append(s.ExtraNodes, n)
		}
	}
}

// pause pauses the lab's server until wake is called or the test ends.
func pause(t *testing.T, l *lab.Lab) (wake func()) {
	t.Helper()
	server := l.Servers()[0]
	if err := server.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	wake = sync.OnceFunc(func() {
		if err := server.Resume(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(wake)
	return wake
}

// timed bounds each step, and notes by how much it ended later than it may. How much time a busy machine was given is known only
// then.
func timed(late *[]time.Duration) func(action) action {
	return func(do action) action {
		return func(ctx context.Context, t *scenario.T) error {
			ctx, cancel := deadline.Fair(ctx, stepWithin)
			defer cancel()
			began := time.Now()
			err := do(ctx, t)
			took, by := time.Since(began), time.Duration(0)
			if over, is := errors.AsType[*deadline.OverError](context.Cause(ctx)); is {
				by = took - over.Given - deadline.Stretch(2*time.Second)
			}
			*late = append(*late, by)
			return err
		}
	}
}
