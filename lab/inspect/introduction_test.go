package inspect_test

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// TestNoIntroductionToken: where the servers make none, as they have no leader, the check whose control it is is inconclusive, and
// says why. With a leader the check passes.
func TestNoIntroductionToken(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Servers(2), spec.Clients(0))
	const id = "server-lets-no-client-register-without-introduction"
	found := func() finding.Finding {
		r, err := inspect.Lab(t.Context(), l, inspect.Options{Only: []string{id}, NoMatrix: true})
		if err != nil || len(r.Findings) != 1 {
			t.Fatalf("%d findings, %v", len(r.Findings), err)
		}
		return r.Findings[0]
	}
	if f := found(); f.Result != finding.Pass {
		t.Fatalf("%s with a leader: %s", f.Result, f.Reason)
	}
	if err := l.Servers()[1].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := poll.Until(t.Context(), "the other one to lead no more", func(ctx context.Context) string {
		leader, err := l.Leader(ctx, "")
		if err != nil {
			return ""
		}
		return leader.Name() + " leads"
	}); err != nil {
		t.Fatal(err)
	}
	if f := found(); f.Result != finding.Inconclusive || !strings.HasPrefix(f.Reason, "no introduction token could be made: ") {
		t.Errorf("%s without a leader: %s", f.Result, f.Reason)
	}
}
