package scenarios_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/scenarios"
)

// TestOnlyWritesOfTheGapCount: a write that began when a leader may have been named is an ordinary one.
func TestOnlyWritesOfTheGapCount(t *testing.T) {
	named := time.Now()
	refused := errors.New("no leader")
	at := func(ms ...int) []time.Time {
		var all []time.Time
		for _, m := range ms {
			all = append(all, named.Add(time.Duration(m)*time.Millisecond))
		}
		return all
	}
	tests := []struct {
		name          string
		until         time.Time
		began         []time.Time
		errs          []error
		sent, refused int
		suffices      bool
	}{
		{"while the old leader may have been there", named, at(-31, -20), []error{nil, nil}, 1, 0, true},
		{"in the gap", named, at(-20, -10), []error{nil, refused}, 2, 1, true},
		{"one of them later", named, at(-20, 10), []error{nil, refused}, 1, 0, true},
		{"at the very moment", named, at(0), []error{nil}, 0, 0, false},
		{"all later", named, at(10, 20), []error{nil, nil}, 0, 0, false},
		{"none", named, nil, nil, 0, 0, false},
		{"no moment without a leader was seen", time.Time{}, at(-20), []error{nil}, 0, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sent, refused, err := scenarios.SentInGap(named.Add(-30*time.Millisecond), test.until, test.began, test.errs)
			if sent != test.sent || refused != test.refused || (err == nil) != test.suffices {
				t.Errorf("%d sent, %d refused, %v", sent, refused, err)
			}
		})
	}
}

// TestTheOldLeaderIsGone when the engine says so, or when another server stands for election meanwhile.
func TestTheOldLeaderIsGone(t *testing.T) {
	before := time.Date(2026, 11, 28, 23, 40, 0, 0, time.UTC)
	after := before.Add(5 * time.Second)
	for stood, want := range map[time.Time]time.Time{
		{}: after, before.Add(-time.Second): after, before.Add(2 * time.Second): before.Add(2 * time.Second), after.Add(time.Second): after,
	} {
		if got := scenarios.Gone(before, after, stood); !got.Equal(want) {
			t.Errorf("where one stood at %s: %s, want %s", stood, got, want)
		}
	}
}

// TestALineIsOfOneAddress: an address may be the beginning of another.
func TestALineIsOfOneAddress(t *testing.T) {
	longer := "memberlist: no key: from=172.30.5.16:4648"
	own := "memberlist: no key: from=172.30.5.1:4648"
	for want, lines := range map[string][]string{"server-1: " + own: {longer, "  " + own}, "": {longer, "no address: no key"}} {
		got := strings.Join(scenarios.LinesWith("server-1", lines, "no key", "172.30.5.1:"), "; ")
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
