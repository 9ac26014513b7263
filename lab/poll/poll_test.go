package poll_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/poll"
)

func TestUntilReturnsWhenTheConditionHolds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	looks := 0
	err := poll.Until(ctx, "the third look", func(context.Context) string {
		if looks++; looks < 3 {
			return "not yet"
		}
		return ""
	})
	if err != nil || looks != 3 {
		t.Errorf("error %v after %d looks, want none after 3", err, looks)
	}
}

func TestUntilSaysWhatItSawLast(t *testing.T) {
	why := errors.New("the lab was not up in time")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 60*time.Millisecond, why)
	defer cancel()
	looks := []string{"two servers", "one server"}
	err := poll.Until(ctx, "a leader", func(ctx context.Context) string {
		if ctx.Err() != nil {
			return "context deadline exceeded"
		}
		seen := looks[0]
		if len(looks) > 1 {
			looks = looks[1:]
		}
		return seen
	})
	if !errors.Is(err, why) {
		t.Fatalf("error %v does not wrap why the time was up", err)
	}
	for _, part := range []string{"waited ", "for a leader", "last seen: one server:"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// TestUntilIgnoresTheAnswerOfACancelledCall: what a call says when its time is up shows nothing about the cluster.
func TestUntilIgnoresTheAnswerOfACancelledCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := true
	err := poll.Until(ctx, "a leader", func(context.Context) string {
		if first {
			first = false
			return "no leader yet"
		}
		cancel()
		return "context canceled"
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "last seen: no leader yet: context canceled") {
		t.Errorf("error: %v", err)
	}
}

func TestUntilEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	err := poll.Until(ctx, "anything", func(context.Context) string { return "nothing" })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "last seen: nothing yet") {
		t.Errorf("error: %v", err)
	}
	if took := time.Since(began); took > deadline.Hang {
		t.Errorf("it took %s", took)
	}
}

func TestEveryLooksUntilItIsDone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	looks := 0
	err := poll.Every(ctx, time.Millisecond, func() bool { looks++; return looks == 3 })
	if err != nil || looks != 3 {
		t.Errorf("error %v after %d looks, want none after 3", err, looks)
	}
}

func TestEveryLooksOnceWhateverItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	looks := 0
	err := poll.Every(ctx, time.Hour, func() bool { looks++; return false })
	if !errors.Is(err, context.Canceled) || looks != 1 {
		t.Errorf("error %v after %d looks, want that of the context after 1", err, looks)
	}
	if err := poll.Every(ctx, time.Hour, func() bool { return true }); err != nil {
		t.Errorf("a look that is done at once: %v", err)
	}
}
