package catalogue_test

import (
	"context"
	"testing"
	"time"

	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestSooner: what cannot be told yet is looked for again, for as long as was given, and whatever else is seen is told at once.
func TestSooner(t *testing.T) {
	for name, test := range map[string]struct {
		seen []probe.Outcome
		wait time.Duration
		want probe.Outcome
		all  bool
	}{
		"there at once":       {[]probe.Outcome{probe.Found, probe.Failed}, time.Minute, probe.Found, false},
		"there after a while": {[]probe.Outcome{probe.Failed, probe.Failed, probe.Absent}, 10 * time.Second, probe.Absent, true},
		"another answer":      {[]probe.Outcome{probe.Failed, probe.Denied}, 10 * time.Second, probe.Denied, true},
		"never":               {[]probe.Outcome{probe.Failed}, 50 * time.Millisecond, probe.Failed, true},
	} {
		looks := 0
		p := probe.New(probe.PlaneHTTP, "look", func(context.Context, probe.Target) probe.Observation {
			o := test.seen[min(looks, len(test.seen)-1)]
			looks++
			return probe.Observation{Outcome: o}
		}).Classed(probe.Reads())
		got := catalogue.Sooner(p, test.wait).Observe(t.Context(), probe.Target{HTTP: "127.0.0.1:4646"})
		if got.Outcome != test.want || test.all && looks < len(test.seen) || !test.all && looks != 1 {
			t.Errorf("%s: %s after %d looks, want %s", name, got.Outcome, looks, test.want)
		}
	}
}
