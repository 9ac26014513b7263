package main

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	about  = cmpopts.EquateApprox(0, 1e-9)
	fields = cmp.AllowUnexported(summary{})
)

func TestSummarize(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   summary
	}{
		"nothing":        {nil, summary{}},
		"one value":      {[]float64{3}, summary{n: 1, median: 3, min: 3, max: 3, q1: 3, q3: 3}},
		"an odd number":  {[]float64{5, 1, 4, 2, 3}, summary{n: 5, median: 3, min: 1, max: 5, q1: 2, q3: 4}},
		"an even number": {[]float64{4, 1, 3, 2}, summary{n: 4, median: 2.5, min: 1, max: 4, q1: 1.75, q3: 3.25}},
		"one far out":    {[]float64{1, 1, 1, 1, 100}, summary{n: 5, median: 1, min: 1, max: 100, q1: 1, q3: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			byRound := maps.Collect(slices.All(c.values))
			if diff := cmp.Diff(c.want, summarize(byRound), about, fields); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRatio: a round that was slow for both moves the medians, and not the ratio of that round.
func TestRatio(t *testing.T) {
	ofMedians, paired := ratio(
		map[int]float64{1: 2, 2: 20, 3: 4, 4: 9},
		map[int]float64{1: 1, 2: 10, 3: 2, 5: 7},
	)
	if diff := cmp.Diff(6.5/4.5, ofMedians, about); diff != "" {
		t.Errorf("of the medians (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(summary{n: 3, median: 2, min: 2, max: 2, q1: 2, q3: 2}, paired, about, fields); diff != "" {
		t.Errorf("by round (-want +got):\n%s", diff)
	}
	if ofMedians, paired := ratio(map[int]float64{1: 2}, nil); ofMedians != 0 || paired != (summary{}) {
		t.Errorf("against nothing: got %v and %+v, want zero", ofMedians, paired)
	}
}

// TestFailuresDoNotCount: a boot that failed has times, too, and they mean nothing.
func TestFailuresDoNotCount(t *testing.T) {
	ours, theirs := contestant{name: "ours"}, contestant{name: "theirs"}
	readyAfter := func(c contestant, round int, seconds float64, err error) boot {
		return boot{by: c, round: round, seconds: map[milestone]float64{ready: seconds}, err: err}
	}
	boots := []boot{
		readyAfter(theirs, 1, 2, nil), readyAfter(ours, 1, 1, nil), readyAfter(ours, 2, 3, nil),
		readyAfter(ours, 3, 99, errors.New("it was not up within 5m0s")),
	}
	if diff := cmp.Diff(map[int]float64{1: 1, 2: 3}, secondsTo(ready, of(boots, "ours"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := secondsTo(leader, of(boots, "ours")); len(got) != 0 {
		t.Errorf("a milestone that was not seen has the times %v", got)
	}
	if got := failures(results{rounds: boots}); len(got) != 1 || got[0].round != 3 {
		t.Errorf("failures %+v, want the one of round 3", got)
	}
}

// TestTypical: the boot that is shown step by step is neither the best nor the worst, and has lab.Up's return.
func TestTypical(t *testing.T) {
	var boots []boot
	for round, seconds := range []float64{9, 1, 4, 5, 2} {
		boots = append(boots, boot{round: round, seconds: map[milestone]float64{returned: seconds}})
	}
	boots = append(boots, boot{round: 5, seconds: map[milestone]float64{ready: 4}})
	if got, ok := typical(boots); !ok || got.round != 2 {
		t.Errorf("got round %d, %v: want 2, which is the median", got.round, ok)
	}
	if got, ok := typical(boots[5:]); ok {
		t.Errorf("got %+v from boots that have no lab.Up", got)
	}
}
