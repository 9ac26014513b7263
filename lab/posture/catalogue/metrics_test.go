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
		says string
	}{
		"there at once":       {[]probe.Outcome{probe.Found, probe.Failed}, time.Minute, probe.Found, false, "there is nothing yet"},
		"there after a while": {[]probe.Outcome{probe.Failed, probe.Failed, probe.Absent}, 10 * time.Second, probe.Absent, true, "there is nothing yet"},
		"another answer":      {[]probe.Outcome{probe.Failed, probe.Denied}, 10 * time.Second, probe.Denied, true, "there is nothing yet"},
		"never":               {[]probe.Outcome{probe.Failed}, 50 * time.Millisecond, probe.Failed, true, "there is nothing yet"},
		"another reason":      {[]probe.Outcome{probe.Failed, probe.Found}, time.Minute, probe.Failed, false, "it is no JSON"},
	} {
		looks := 0
		p := probe.New(probe.PlaneHTTP, "look", func(context.Context, probe.Target) probe.Observation {
			o := test.seen[min(looks, len(test.seen)-1)]
			looks++
			return probe.Observation{Outcome: o, Err: test.says}
		}).Classed(probe.Reads())
		got := catalogue.Sooner(p, "nothing yet", test.wait).Observe(t.Context(), probe.Target{HTTP: "127.0.0.1:4646"})
		if got.Outcome != test.want || test.all && looks < len(test.seen) || !test.all && looks != 1 {
			t.Errorf("%s: %s after %d looks, want %s", name, got.Outcome, looks, test.want)
		}
	}
}
