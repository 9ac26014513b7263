package observe_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/observe"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/timeline"
)

// TestObserver: on one lab, a follower is stopped and started, the leader is killed, and a leaf is renewed. Each is seen, and
// what did not happen is not.
func TestObserver(t *testing.T) {
	l := labtest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	var r timeline.Recorder
	stop := observe.Start(ctx, l, &r)
	leader := agreed(ctx, t, l)
	follower := followerOf(l, leader)
	seen(ctx, t, &r, "the start", func(e timeline.Event) bool { return e.Kind == timeline.Leader && e.Node == leader.Name() })
	seen(ctx, t, &r, "the follower's certificate at its RPC port", func(e timeline.Event) bool {
		return e.Kind == timeline.Certificate && e.Node == follower.Name() && strings.HasPrefix(e.Text, "RPC serves certificate ")
	})
	for _, c := range l.Clients() {
		seen(ctx, t, &r, c.Name(), member(c, "is ready as a client"))
	}
	if got := r.Events(); slices.ContainsFunc(got, silence(follower)) || slices.ContainsFunc(got, silence(leader)) {
		t.Fatalf("agents do not answer before one is stopped: %s", told(got))
	}
	t.Run("a follower is stopped and started", func(t *testing.T) { restarted(ctx, t, &r, follower) })
	t.Run("a leaf is renewed", func(t *testing.T) { renewed(ctx, t, l, &r, follower) })
	t.Run("the leader is killed", func(t *testing.T) { leader = leaderKilled(ctx, t, l, &r) })
	if err := stop(); err != nil {
		t.Error(err)
	}
	before := len(r.Events())
	if err := stop(); err != nil || len(r.Events()) != before {
		t.Errorf("stopped twice: %v, %d events more", err, len(r.Events())-before)
	}
	got := r.Events()
	if slices.ContainsFunc(got, func(e timeline.Event) bool { return strings.HasSuffix(e.Text, "any more") }) {
		t.Errorf("a server that has just started lists less, and that is told as a change: %s", told(got))
	}
	if !slices.ContainsFunc(got, func(e timeline.Event) bool {
		return silence(leader)(e) && strings.Contains(e.Text, "to the end")
	}) {
		t.Errorf("the leader is still down at the end, and nothing says so: %s", told(got))
	}
}

func restarted(ctx context.Context, t *testing.T, r *timeline.Recorder, n *lab.Node) {
	if err := n.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	seen(ctx, t, r, "that it answers again", silence(n))
}

// renewed: the certificate of one server is seen on both its ports, by the serial number of the real one. Nobody else's changes.
func renewed(ctx context.Context, t *testing.T, l *lab.Lab, r *timeline.Recorder, n *lab.Node) {
	served := func(e timeline.Event) bool { return e.Kind == timeline.Certificate }
	before := count(r, served)
	fresh, err := rollout.Issue(l.Authority(), []*lab.Node{n})
	if err != nil {
		t.Fatal(err)
	}
	p, err := rollout.Renew([]*lab.Node{n}, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rollout.Run(ctx, l, p, rollout.Options{Recorder: r}); err != nil {
		t.Fatal(err)
	}
	now, err := n.Certificate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	serial := fmt.Sprintf("%x", now.SerialNumber)
	for _, port := range []string{"HTTP", "RPC"} {
		seen(ctx, t, r, port+"'s new certificate", func(e timeline.Event) bool {
			return served(e) && e.Node == n.Name() && strings.HasPrefix(e.Text, port+" serves certificate …"+serial[len(serial)-8:])
		})
	}
	if got := count(r, served) - before; got != 2 {
		t.Errorf("%d certificates have changed, want two: %s", got, told(r.Events()))
	}
}

func leaderKilled(ctx context.Context, t *testing.T, l *lab.Lab, r *timeline.Recorder) *lab.Node {
	t.Helper()
	leader := agreed(ctx, t, l)
	if err := leader.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	next := agreed(ctx, t, l)
	seen(ctx, t, r, "no leader after the kill, and then another", func(e timeline.Event) bool {
		return e.Kind == timeline.Leader && e.Node == next.Name() && slices.ContainsFunc(r.Events(), func(none timeline.Event) bool {
			return none.Kind == timeline.Leader && none.Node == "" && none.At.Before(e.At)
		})
	})
	return leader
}

// TestObserverOfNothing: the wrong twin. An observer of a lab of which no agent answers says so, rather than that all is calm.
func TestObserverOfNothing(t *testing.T) {
	l := labtest.Start(t)
	for _, n := range l.Nodes() {
		if err := n.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var r timeline.Recorder
	if err := observe.Start(t.Context(), l, &r)(); !errors.Is(err, observe.ErrNothingSeen) {
		t.Errorf("it returns %v, after %s", err, told(r.Events()))
	}
}

func agreed(ctx context.Context, t *testing.T, l *lab.Lab) (leader *lab.Node) {
	t.Helper()
	if err := poll.Until(ctx, "a leader", func(ctx context.Context) string {
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

func followerOf(l *lab.Lab, leader *lab.Node) *lab.Node {
	return slices.DeleteFunc(l.Servers(), func(n *lab.Node) bool { return n == leader })[0]
}

func silence(n *lab.Node) func(timeline.Event) bool {
	return func(e timeline.Event) bool {
		return e.Kind == timeline.Agent && e.Node == n.Name() && strings.HasPrefix(e.Text, "does not answer") && e.End.After(e.At)
	}
}

func member(n *lab.Node, text string) func(timeline.Event) bool {
	return func(e timeline.Event) bool { return e.Kind == timeline.Member && e.Node == n.Name() && e.Text == text }
}

func count(r *timeline.Recorder, is func(timeline.Event) bool) (n int) {
	for _, e := range r.Events() {
		if is(e) {
			n++
		}
	}
	return n
}

func seen(ctx context.Context, t *testing.T, r *timeline.Recorder, what string, is func(timeline.Event) bool) {
	t.Helper()
	if err := poll.Until(ctx, what+" on the timeline", func(context.Context) string {
		if count(r, is) == 0 {
			return "no such event"
		}
		return ""
	}); err != nil {
		t.Fatalf("%v; recorded: %s", err, told(r.Events()))
	}
}

func told(events []timeline.Event) string {
	var r timeline.Recorder
	for _, e := range events {
		r.Add(e)
	}
	var b strings.Builder
	if err := r.Timeline("observed").Text(&b); err != nil {
		return err.Error()
	}
	return b.String()
}
